"""Batch jobs: lists for all users, in chunks that can be killed at any time and resumed."""
