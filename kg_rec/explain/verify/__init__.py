"""Is an explanation true? Read back by other means."""
