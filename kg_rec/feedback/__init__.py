"""What people were shown, what they did with it, and what the next list learns from it."""
