"""How the tables came to be, step by step; run by storage.sql.upgrade, never by hand."""
