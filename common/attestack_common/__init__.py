"""Configuration, logging, HTTP edges, the `Secret` type, the clock and the base of errors, for both ends."""
