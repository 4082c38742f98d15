"""Functions that are safe by default: one manifest, one security model, two engines."""

__version__ = "0.1.0"
