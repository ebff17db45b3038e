"""Real programs that the tests run against: processes, compiled tools and a Kubernetes control plane."""
