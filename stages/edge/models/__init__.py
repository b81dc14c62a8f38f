"""Folders of weights, and the libraries that read them."""
