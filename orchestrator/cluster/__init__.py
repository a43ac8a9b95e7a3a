"""The service spread over a Ray cluster: job workers and shared parts as actors; the home of ray in this floor."""
