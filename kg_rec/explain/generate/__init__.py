"""Language models that write phrases."""
