"""From verdicts to numbers with intervals."""
