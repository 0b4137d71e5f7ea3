"""Verifiers of TEE evidence, as a pure library: no I/O, no clock, no configuration files."""
