"""``python -m generator`` is ``center``."""

from generator.cli import main

main()
