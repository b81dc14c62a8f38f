"""Which rows make an optimiser step, and what its loss is."""
