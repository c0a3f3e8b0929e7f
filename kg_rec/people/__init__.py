"""People: those of whom little is known, what somebody likes, and how that changes; all of it sums that can be told."""
