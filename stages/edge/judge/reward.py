"""A reward for right answers, with the signature that TRL's GRPOTrainer calls its `reward_funcs` with."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from stages.core.answers.extraction import extract
from stages.core.problems.golds import is_placeholder
from stages.core.sampling.channels import split_reasoning
from stages.edge.judge.pairs import shared

Message = Mapping[str, Any]
Completion = str | Sequence[Message]
"""A text, or the messages of a chat, of which the last one of the assistant holds the answer."""


class Reward(Protocol):
    """What GRPOTrainer calls: all arguments are keywords; the dataset's other columns come as lists, too."""

    __name__: str

    def __call__(self, *, completions: Sequence[Completion], **columns: Any) -> list[float | None]:  # noqa: ANN401
        """One reward a completion."""


def accuracy_reward(
    completions: Sequence[Completion],
    gold: Sequence[object] | None = None,
    **columns: Any,  # noqa: ANN401
) -> list[float | None]:
    r"""1.0 for each completion whose answer is right, 0.0 for any other, None where there is no gold to judge by.

    The answer is the last complete ``\boxed{}``, else what is stated ("The answer is 13."), else the whole text. Of a
    text with a thought, as `split_reasoning` sees it, only what stands behind counts, and a thought that is not closed
    has no answer. An answer that cannot be decided earns nothing: else answers too hard to judge would pay.

        trainer = GRPOTrainer(model, reward_funcs=accuracy_reward, train_dataset=dataset)  # columns prompt, gold

    Args:
        completions: texts, or lists of messages with `role` and `content`.
        gold: the right answer to each; None, empty or a placeholder such as N/A for none.
        columns: whatever else the trainer passes. Its `log_metric` gets the share of undecided answers.

    Raises:
        ValueError: there is no column `gold`, or it has another length.
    """
    return _rewards("gold", completions, gold, columns)


def reward_on(column: str) -> Reward:
    """`accuracy_reward` for a dataset whose right answers stand in another column, such as `answer` or `solution`."""

    def reward(*, completions: Sequence[Completion], **columns: Any) -> list[float | None]:  # noqa: ANN401
        return _rewards(column, completions, columns.get(column), columns)

    reward.__name__ = accuracy_reward.__name__
    return reward


def _rewards(
    column: str, completions: Sequence[Completion], golds: Sequence[object] | None, columns: Mapping[str, Any]
) -> list[float | None]:
    if golds is None:
        raise ValueError(f"the dataset has no column {column!r}; name its column of right answers: reward_on('answer')")
    if len(golds) != len(completions):
        raise ValueError(f"{len(completions)} completions and {len(golds)} values in {column!r}; give one for each")
    texts = ["" if gold is None else str(gold).strip() for gold in golds]
    places = [place for place, text in enumerate(texts) if text and not is_placeholder(text)]
    pairs = [(texts[place], _answer(_text(completions[place]))) for place in places]
    verdicts = shared().accepts_extracted(pairs)
    rewards: list[float | None] = [None] * len(completions)
    for place, verdict in zip(places, verdicts, strict=True):
        rewards[place] = float(verdict.equal is True)
    if places and (log_metric := columns.get("log_metric")):
        log_metric("undecided_share", sum(verdict.equal is None for verdict in verdicts) / len(places))
    return rewards


def _answer(text: str) -> str:
    content, _ = split_reasoning(text, None)
    return extract(content or "").answer or content or ""


def _text(completion: Completion) -> str:
    """The text of a completion; the parts of a message that are no text are left out."""
    if isinstance(completion, str):
        return completion
    messages = [each for each in completion if each.get("role") == "assistant"] or list(completion)
    content = messages[-1].get("content") if messages else None
    if isinstance(content, str) or content is None:
        return content or ""
    return "".join(str(part.get("text") or "") for part in content if part.get("type") == "text")
