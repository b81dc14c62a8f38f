"""Finished results for a person to read: the table, the page, one problem's life, two revisions side by side."""
