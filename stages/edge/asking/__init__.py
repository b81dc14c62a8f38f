"""Asking models: many queries in flight to servers, every answer stored, failures classified."""
