"""Brokers set up in a folder: `python -m deploy.setups`."""
