"""Tokens: the signs, numbers, letters and macros of a formula, one after another."""

from stages.core.answers.numerals import DATE
from stages.core.equality.functions import ORDER, SCIENTIFIC, TOKEN


class NotAnExpressionError(ValueError):
    """The text is no expression."""


class Tokens:
    """The tokens of a text, and the place of the next one; raises NotAnExpressionError where the text is no formula."""

    def __init__(self, text: str) -> None:
        self._tokens: list[str] = []
        self._next = 0
        position, end = 0, len(text.rstrip())
        if SCIENTIFIC.search(text) or DATE.fullmatch(text) or ORDER.search(text):
            raise NotAnExpressionError
        while position < end:
            match = TOKEN.match(text, position)
            if not match:
                raise NotAnExpressionError
            self._tokens.append(match[match.lastindex or 0])
            position = match.end()

    def _peek(self, ahead: int = 0) -> str:
        place = self._next + ahead
        return self._tokens[place] if place < len(self._tokens) else ""

    def _take(self, expected: str = "") -> str:
        token = self._peek()
        if not token or (expected and token != expected):
            raise NotAnExpressionError
        self._next += 1
        return token

    def _is_argument(self) -> bool:
        """Whether the bracket that comes holds one number or one letter, or a list, as that of a function does."""
        if self._peek(1)[:1].isalnum() and self._peek(2) == ")":
            return True
        level = 0
        for token in self._tokens[self._next :]:
            level += (token in "([{") - (token in ")]}")
            if level == 1 and token == ",":
                return True
            if level == 0:
                return False
        return False
