"""What can be done: libraries of skills, and finding the right few."""
