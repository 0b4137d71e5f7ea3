"""The Attestation Agent: detection, evidence and tokens, served over ttRPC."""
