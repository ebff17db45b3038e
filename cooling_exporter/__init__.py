"""Reads cooling devices (CDUs, pumping units, immersion tanks) and serves what they say as Prometheus metrics."""
