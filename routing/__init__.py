"""Which candidate answers: routers speak of queries, policies of arms."""
