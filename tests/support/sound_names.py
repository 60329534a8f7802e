"""Files that are called like sounds and tables that list them, for what reads no sound."""

from pathlib import Path


def touch(root: Path, *names: str) -> Path:
    """Makes files of one byte, with their folders."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return root


def make_manifest(root: Path, text: str, name: str = "birds.csv") -> Path:
    path = root / name
    path.write_text(text, encoding="utf-8")
    return path
