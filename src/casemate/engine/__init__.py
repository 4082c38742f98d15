"""Composition roots: the only place that joins sibling packages."""
