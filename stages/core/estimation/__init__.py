"""Estimates from few samples of few problems, and their intervals."""
