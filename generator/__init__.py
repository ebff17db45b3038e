"""From one center.yaml to hosts, clusters and cooling monitors."""
