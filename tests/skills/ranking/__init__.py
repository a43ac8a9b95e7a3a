"""Tests of the ranking of skills."""
