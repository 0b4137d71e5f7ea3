"""What runs the programs: the demonstration, and files for deployments."""
