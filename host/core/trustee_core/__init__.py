"""What all trustee services stand on: storage, the policy engine, token trust, TLS, records of decisions."""
