"""Tests of routing/pheromone."""
