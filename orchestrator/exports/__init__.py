"""What was decided, as files for others: JSON lines, Parquet, OpenTelemetry; streamed, so that any log fits."""
