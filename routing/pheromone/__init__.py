"""What was learned of each task type, stage and candidate, as trails that grow with success and fade with time."""
