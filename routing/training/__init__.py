"""Offline training: the data contract, embeddings kept on disk, fitting, adapting."""
