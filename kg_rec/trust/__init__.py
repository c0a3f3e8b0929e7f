"""Promises about the people in the data, each with a check that can fail."""
