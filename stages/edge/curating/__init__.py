"""Candidates for SFT rows, piece by piece."""
