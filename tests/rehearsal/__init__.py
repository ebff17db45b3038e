"""The whole path once: from center.yaml to booted hosts, a Kubernetes cluster and a cooling alarm."""
