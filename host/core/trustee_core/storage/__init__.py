"""Key-value storage: the contract and its backends."""
