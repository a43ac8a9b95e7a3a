"""Tests of replays: stored decisions made again, stored traffic through other routers."""
