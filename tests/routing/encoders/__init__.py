"""Tests of routing/encoders."""
