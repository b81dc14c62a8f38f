"""Votes, labels, and a verdict for each answer."""
