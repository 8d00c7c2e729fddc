"""A conformance suite for what batch normalisation does to its state."""

__version__ = "0.1.0"
