"""A cluster of the centre, tried out on this machine: real programs, fake nodes, jobs of its tenants."""
