"""When two problems are the same: by their prompt in a normal form."""

import hashlib
import unicodedata


def normalise(text: str) -> str:
    """Text in Unicode NFC, line ends as newlines, no space at either end."""
    return unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n")).strip()


def problem_id(prompt: str) -> str:
    """16 hex digits of the SHA-256 of the normalised prompt: the same for a problem in any source."""
    return hashlib.sha256(normalise(prompt).encode()).hexdigest()[:16]
