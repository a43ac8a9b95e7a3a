"""Verifiers: what says, without the model that answered, whether an answer is right."""
