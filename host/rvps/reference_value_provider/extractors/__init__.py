"""Extractors: each reads one kind of payload and gives the reference values in it."""
