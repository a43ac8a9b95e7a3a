"""Tests of skills/libraries."""
