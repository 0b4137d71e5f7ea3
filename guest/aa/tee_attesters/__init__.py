"""Attesters: they collect evidence, one module for each TEE."""
