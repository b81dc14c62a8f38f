"""Raw gpt-oss turns in OpenAI's harmony format: the reasoning and the answer apart.

The format: https://github.com/openai/harmony. openai-harmony parses it; what it would lose is repaired first: gpt-oss
now and then opens a channel without `<|message|>` (vllm#45736), and a turn may be cut off anywhere.
"""

import contextlib
import re
from typing import Any, NamedTuple

from openai_harmony import HarmonyError, Role, StreamableParser

PARSER = "openai_gptoss"
"""vLLM's parser of these turns."""
CHANNELS = ("analysis", "commentary", "final")
# A channel's header that runs into text instead of ending in <|message|>; a recipient or content type belongs to it.
_UNFINISHED_HEADER = re.compile(
    r"<\|channel\|>(?![^<\n]{0,200}(?:<\|constrain\|>[^<\n]{0,80})?<\|message\|>)"
    rf"({'|'.join(CHANNELS)})((?:\s*+to=[^\s<]++|\s*+<\|constrain\|>\s*+\w++|\s*+json\b)*+)(\s*+)(?!<\|)(?=\S)"
)


class Turn(NamedTuple):
    """An assistant's turn. `content` is None when it never came to its final channel."""

    reasoning: str | None
    content: str | None
    num_tool_calls: int


def is_raw(text: str) -> bool:
    """Whether a server passed on the format instead of parsing it."""
    return "<|channel|>" in text or text.startswith("<|start|>")


def split(text: str, encoding: Any) -> Turn:  # noqa: ANN401
    """The turn in `text`, which starts after (or with) `<|start|>assistant`.

    Args:
        text: raw text with the special tokens written out.
        encoding: openai-harmony's `HARMONY_GPT_OSS`; loading it needs a file, so it comes from outside.

    Raises:
        ValueError: it is no harmony text, even repaired.
    """
    repaired = _UNFINISHED_HEADER.sub(r"<|channel|>\1\2<|message|>", text)
    has_start = repaired.startswith("<|start|>")
    parser = StreamableParser(encoding, None if has_start else Role.ASSISTANT, strict=False)
    try:
        for token in encoding.encode(repaired, allowed_special="all"):
            parser.process(token)
    except HarmonyError as error:
        raise ValueError(f"no harmony text: {error}") from error
    with contextlib.suppress(HarmonyError):  # cut off inside a header: the messages before it are whole
        parser.process_eos()
    messages = [each for each in parser.messages if each.author.role == Role.ASSISTANT]
    thoughts = [_text(each) for each in messages if each.channel == "analysis" and each.recipient is None]
    finals = [_text(each) for each in messages if each.channel == "final"]
    calls = sum(each.recipient is not None and each.channel != "final" for each in messages)
    return Turn("\n\n".join(thoughts) or None, finals[-1] if finals else None, calls)


def _text(message: Any) -> str:  # noqa: ANN401
    return "".join(part.text for part in message.content if hasattr(part, "text"))
