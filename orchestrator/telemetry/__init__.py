"""Spans of runs for others to look at, by OpenTelemetry's conventions for generative AI."""
