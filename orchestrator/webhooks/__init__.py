"""Webhooks: signed messages that tell how a job ended, tried until they arrive."""
