"""Budgets: how much a stage may spend on answers, in tokens or in money. What it spent before is counted, once."""

from collections.abc import Mapping
from math import ceil

from stages.core.sampling.queries import Answer
from stages.edge import params
from stages.edge.errors import BudgetError

CHARS_PER_TOKEN = 4
"""Of an answer whose server counts no tokens: about that of English text, and less than that of most formulas."""
MILLION = 1_000_000


class Budget:
    """Counts the tokens of a stage's answers, and the price of them, against what it may spend.

    Answers in flight when the limit is reached are paid for and kept, so a run spends more by at most these.
    """

    def __init__(self, limits: params.Budget | None) -> None:
        """None is no limit."""
        self._limits = limits
        self._counted: set[bytes] = set()
        self._prompt_tokens = self._completion_tokens = 0

    @property
    def tokens(self) -> int:
        """Tokens of prompts and completions so far."""
        return self._prompt_tokens + self._completion_tokens

    @property
    def cost(self) -> float:
        """Their price; 0 without one."""
        price = self._limits.price if self._limits else None
        if price is None:
            return 0.0
        return (self._prompt_tokens * price.prompt + self._completion_tokens * price.completion) / MILLION

    @property
    def is_limited(self) -> bool:
        """Whether there is anything to count for."""
        return self._limits is not None

    def count(self, answers: Mapping[str, Answer]) -> None:
        """Count answers by the keys of their queries, each query once, whoever asks and whenever it was answered."""
        if self._limits is None:
            return
        for key, answer in answers.items():
            short = bytes.fromhex(key[:32])
            if short in self._counted:
                continue
            self._counted.add(short)
            tokens = answer.completion_tokens
            if tokens is None:
                tokens = ceil(len((answer.reasoning or "") + (answer.content or "")) / CHARS_PER_TOKEN)
            self._prompt_tokens += answer.prompt_tokens or 0
            self._completion_tokens += tokens

    @property
    def is_spent(self) -> bool:
        """Whether nothing more may be asked."""
        return self._spent() is not None

    def check(self) -> None:
        """Nothing, unless it is spent.

        Raises:
            BudgetError: it is; the message says how to go on.
        """
        if (spent := self._spent()) is not None:
            raise BudgetError(
                f"the budget is spent: {spent}; every answer is stored: set it higher and run again, which asks only "
                "what is missing"
            )

    def _spent(self) -> str | None:
        """What is spent of which limit, or None while there is more of both."""
        limits = self._limits
        if limits is None:
            return None
        if limits.max_total_tokens is not None and self.tokens >= limits.max_total_tokens:
            return f"{self.tokens:,} tokens of runtime.budget.max_total_tokens {limits.max_total_tokens:,}"
        if limits.max_cost is not None and self.cost >= limits.max_cost:
            return f"{_money(self.cost)} of runtime.budget.max_cost {_money(limits.max_cost)}"
        return None


def _money(amount: float) -> str:
    return f"{amount:,.2f}" if amount >= 1 else f"{amount:.2g}"
