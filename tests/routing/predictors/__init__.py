"""Tests of routing/predictors."""
