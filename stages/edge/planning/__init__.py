"""What a plan needs to know: what earlier runs left, and which stages would run."""
