"""From a text to an answer: its extraction, notation, structure and key."""
