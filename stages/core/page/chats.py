"""What the teacher is asked, message by message."""

from collections.abc import Sequence
from typing import NamedTuple

from stages.core.sampling.prompts import Example, Message, render

PROBLEM = "(the problem)"
"""Stands where each problem is put."""


class Chat(NamedTuple):
    """The messages as they are sent, and with which problems."""

    problems: str
    messages: tuple[Message, ...]


class Prompt(NamedTuple):
    """How the teacher is asked at one effort."""

    effort: str
    reasoning_effort: str | None
    """As it is sent; None where it is not."""
    num_examples: int
    chats: list[Chat]


def prompt(
    effort: str, reasoning_effort: str | None, system: str | None, suffix: str | None, examples: Sequence[Example]
) -> Prompt:
    """One chat for each topic that has examples of its own, and one for the problems of no such topic."""
    topics = list(dict.fromkeys(example.topic for example in examples if example.topic is not None))
    chats = [Chat(f"problems of the topic {each}", render(PROBLEM, each, system, suffix, examples)) for each in topics]
    others = "problems of no such topic" if topics else "all problems"
    chats.append(Chat(others, render(PROBLEM, None, system, suffix, examples)))
    return Prompt(effort, reasoning_effort, len(examples), chats)
