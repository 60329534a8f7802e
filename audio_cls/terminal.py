"""What is said on the terminal while something runs."""

import sys


def say(text: str) -> None:
    """Writes a line to standard error, at once: jobs side by side must not write into each other's lines."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
