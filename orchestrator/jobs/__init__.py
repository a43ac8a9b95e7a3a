"""Durable jobs: workflows that outlive the process that runs them."""
