"""The second stage of the search for skills: who orders what the first stage found."""
