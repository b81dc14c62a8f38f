"""The chat messages that a problem is asked with."""
