"""Tests of routing/policies."""
