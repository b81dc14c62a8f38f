"""The words of a text, and how alike two texts are."""
