"""The guest's side of RCAR: the handshake, tokens, resources; and the administrator's client."""
