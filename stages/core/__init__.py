"""What results depend on: pure functions and the tables they own."""
