"""Step policies: whether a running episode goes on, stops, or is begun anew by another candidate."""
