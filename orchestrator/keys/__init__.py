"""Who may come in: API keys, tenants, roles, and how much may be asked in a minute."""
