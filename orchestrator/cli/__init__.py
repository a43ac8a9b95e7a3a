"""The command line: parse, call the service, print. One file per group of commands."""
