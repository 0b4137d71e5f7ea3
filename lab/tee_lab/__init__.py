"""Simulated hardware for tests. It can lie on purpose, and shares no code with what it tests."""
