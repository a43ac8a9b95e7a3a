"""The console at /console: pages made on the server, for looking at decisions; it reads and does nothing by itself."""
