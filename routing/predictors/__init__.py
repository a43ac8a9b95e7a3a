"""Trained routers: what each candidate would do with a query, predicted with numpy alone once trained."""
