"""Which rows make an optimiser step, what its loss is, and which weights are kept."""
