"""Audio classification from scratch: a 1-D CNN and a transformer encoder."""

__version__ = "0.1.0"
