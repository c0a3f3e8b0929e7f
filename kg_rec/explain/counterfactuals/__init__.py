"""What would change a list."""
