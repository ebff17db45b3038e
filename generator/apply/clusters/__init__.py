"""Kubernetes clusters: compared with the tree and brought to it through their API, and nothing else."""
