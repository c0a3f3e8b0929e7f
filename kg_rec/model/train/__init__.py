"""Choose on validation, then fit."""
