"""Kinds of proof, found by scanning this folder; what each file must have is said in ``tests/campaign/base.py``."""
