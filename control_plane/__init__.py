"""A real Kubernetes control plane on this machine's loopback, with simulated nodes and real queues.

It knows nothing of centres: `center rehearse` and the tests bring what runs in it.
"""
