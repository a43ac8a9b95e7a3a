"""The index of skills on disk: documents, words, vectors, and the search through all of them."""
