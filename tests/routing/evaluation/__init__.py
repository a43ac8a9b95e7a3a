"""Tests of routing/evaluation."""
