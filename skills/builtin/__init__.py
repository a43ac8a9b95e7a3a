"""Skills that ship with Antroute: small, bounded functions, one file per noun."""
