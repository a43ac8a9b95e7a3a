"""Scripts that run in processes of their own, under limits; nothing here is imported by the service."""
