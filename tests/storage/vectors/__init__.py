"""Tests of vectors on disk."""
