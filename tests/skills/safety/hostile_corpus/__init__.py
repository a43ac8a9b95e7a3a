"""Hostile and tricky skills of our own making, for tests and for benchmarks/skill_safety.py."""
