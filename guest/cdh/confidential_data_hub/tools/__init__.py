"""Command line tools around the hub."""
