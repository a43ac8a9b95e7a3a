"""Groups of skills, so that nobody has to choose from a long flat list; and which skills are taken for one another."""
