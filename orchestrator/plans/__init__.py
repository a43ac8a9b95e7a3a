"""Plans: how the chosen candidates are run. One file a plan, one line in the registry."""
