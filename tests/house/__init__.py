"""What keeps the house in order: documents that are made from the sources, and the sources' own rules."""
