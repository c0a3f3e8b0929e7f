"""Is the graph valid, and does it fit the interactions?"""
