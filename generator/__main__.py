"""``python -m generator`` is the command ``sidecert``."""

from generator.cli import main

main()
