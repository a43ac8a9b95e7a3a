"""What learns from queries and the skills that answered them; never on the request path."""
