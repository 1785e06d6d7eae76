"""What would help: changes that were tried on the program, and are told only where they work."""
