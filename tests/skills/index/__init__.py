"""Tests of the index of skills."""
