"""What is asked of a model, under which key, and which answers count as drawn."""
