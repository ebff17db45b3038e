"""A real Kubernetes control plane on this machine's loopback, with fake nodes and real queues.

It knows nothing of centres: `center rehearse` and the tests bring what runs in it.
"""
