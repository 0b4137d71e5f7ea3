"""The policy engine and the store of policies."""
