"""The outside world: hosts over SSH and clusters over the Kubernetes API."""
