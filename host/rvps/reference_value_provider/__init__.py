"""The Reference Value Provider Service: extractors and the store of reference values."""
