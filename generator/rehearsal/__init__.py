"""A cluster of the centre, tried out on this machine: real programs, simulated nodes, jobs of its tenants."""
