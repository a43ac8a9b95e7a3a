"""Tests of groups and of confusable skills."""
