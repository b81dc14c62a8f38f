"""What one answer is: found in a text, tidied, read, given a key."""
