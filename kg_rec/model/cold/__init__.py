"""Items that nobody interacted with yet."""
