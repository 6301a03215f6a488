"""The Models section: which there are, what their cards say, the one in use."""
