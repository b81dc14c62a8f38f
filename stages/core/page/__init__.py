"""What the page of results shows."""
