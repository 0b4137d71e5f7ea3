"""What both ends of attestation must agree on byte for byte. No I/O, and nothing of ours is imported here."""
