"""From verdicts to SFT rows."""
