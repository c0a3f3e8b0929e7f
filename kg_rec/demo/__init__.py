"""The demo: from nothing to explained lists and a report."""
