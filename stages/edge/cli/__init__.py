"""What every command line shares: errors as one sentence, signals, claims, and the log of stages."""
