"""Vectors on disk and in an index."""
