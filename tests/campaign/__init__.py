"""Long proofs, in units of about half a minute, that may be killed anywhere, resumed, and shared among machines.

``make campaign`` runs what is still to be done; a unit is done when its line stands in ``docs/campaigns/state/``, and
to be done again when a file that it is about has changed. A new kind of proof is one new file in ``kinds/`` with the
names of ``base.Kind``; the everyday tests run a short sample of each kind, and every input that was ever a fault.
"""
