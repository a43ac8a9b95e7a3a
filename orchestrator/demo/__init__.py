"""The demo: real questions over real local models."""
