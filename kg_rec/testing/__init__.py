"""What a channel, language, store, loader or display has to hold, as test classes for packages outside kg_rec."""
