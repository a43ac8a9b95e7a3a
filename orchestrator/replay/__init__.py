"""Decisions made again from what is stored, and stored traffic sent through another router."""
