"""From rows of sources to problems and exams."""
