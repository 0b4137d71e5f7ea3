"""What the broker releases secrets through: one module for each plugin, found by entry point."""
