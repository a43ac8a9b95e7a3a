"""The HTTP surface: parse, call the service, map errors to statuses in one table."""
