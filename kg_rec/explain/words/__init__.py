"""From paths to sentences."""
