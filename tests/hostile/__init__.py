"""Centres of an enemy: what is in their files, and what the command must say of each."""
