"""Spans and figures for others to look at: Prometheus text, OpenTelemetry over OTLP."""
