"""From addends of the score to paths."""
