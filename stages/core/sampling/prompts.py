"""Chat messages for one problem."""

from collections.abc import Sequence
from typing import NamedTuple

Message = dict[str, str]


class Example(NamedTuple):
    """One worked example shown to the model before the problem.

    `topic` limits it to problems of that topic; None shows it always.
    """

    topic: str | None
    prompt: str
    response: str


def render(
    prompt: str, topic: str | None, system: str | None, suffix: str | None, examples: Sequence[Example]
) -> tuple[Message, ...]:
    r"""Chat messages for one problem: system, examples as user/assistant turns, then the problem.

    `suffix` is appended to every user turn after a newline, as ReasonLite appends "Please reason step by step, and put
    your final answer within \boxed{}." to every problem.
    """

    def user(text: str) -> Message:
        return {"role": "user", "content": f"{text}\n{suffix}" if suffix else text}

    messages: list[Message] = [{"role": "system", "content": system}] if system else []
    for example in examples:
        if example.topic is None or example.topic == topic:
            messages += [user(example.prompt), {"role": "assistant", "content": example.response}]
    return (*messages, user(prompt))
