"""A plant of liquid cooling that is not there: physics behind real protocols, or as series in virtual time.

It reads what was rendered for a centre (the exporter's configuration, the design as series) and nothing of the
program that rendered it, so it can judge it.
"""
