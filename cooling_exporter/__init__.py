"""Reads coolant units and tanks, serves their readings as metrics."""
