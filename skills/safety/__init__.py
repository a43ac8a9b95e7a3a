"""Scans hostile text of skills for what would deceive a reader, a model or a ranking."""
