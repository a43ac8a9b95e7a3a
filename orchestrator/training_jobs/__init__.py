"""Training jobs: an operator has a router trained as a durable job, in a child process."""
