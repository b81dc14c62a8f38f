"""Raw gpt-oss turns in OpenAI's harmony format: the reasoning and the answer apart.

The format: https://github.com/openai/harmony. openai-harmony parses it; what it would lose is repaired first: gpt-oss
now and then opens a channel without `<|message|>` (vllm#45736), and a turn may be cut off anywhere. A turn that it
refuses (vllm PR #35906, harmony PR #114) is read marker by marker: a start token that is missing or doubled, or text
between messages, hides nothing of what stands there in plain sight.
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
    return "<|channel|>" in text or "<|message|>" in text or text.startswith("<|start|>")


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
        if (turn := _marker_by_marker(repaired)) is None:
            raise ValueError(f"no harmony text: {error}") from error
        return turn
    with contextlib.suppress(HarmonyError):  # cut off inside a header: the messages before it are whole
        parser.process_eos()
    messages = [each for each in parser.messages if each.author.role == Role.ASSISTANT]
    thoughts = [_text(each) for each in messages if each.channel == "analysis" and each.recipient is None]
    finals = [_text(each) for each in messages if each.channel == "final"]
    calls = sum(each.recipient is not None and each.channel != "final" for each in messages)
    turn = Turn("\n\n".join(thoughts) or None, finals[-1] if finals else None, calls)
    if turn.content is None or _MARKER.search(f"{turn.reasoning}{turn.content}"):
        other = _marker_by_marker(repaired)  # a message without an end has swallowed the next one
        return other if other is not None and other.content is not None else turn
    return turn


_MARKER = re.compile(r"<\|(start|channel|message|end|return|call)\|>")
_CHANNEL_AT_END = re.compile(rf"(?:assistant)?\s{{0,8}}(?:{'|'.join(CHANNELS)})\Z|assistant\Z")
LONGEST_NAMES = 40
"""Letters of a role and a channel at the end of a text."""
_CUT_MARKER = re.compile(r"<(?:\|[a-z]{0,9}\|?)?\Z")
_ROLE = re.compile(r"\A\s*assistant")
_OTHER_ROLE = re.compile(r"\s*(?:user|system|developer|tool)\b")


class _Found(NamedTuple):
    thoughts: list[str]
    finals: list[str]
    between: list[str]
    calls: list[str]


def _marker_by_marker(text: str) -> Turn | None:
    """The turn in a text that is no harmony by the book; None if there is no message in it.

    A message ends at the next marker of any kind, a header is what stands before `<|message|>`. Text that belongs to no
    message is the answer where no final channel has one; turns of other roles are left out, and so is a header that is
    cut off.
    """
    found = _Found([], [], [], [])
    last, header, num_messages = "", "", 0
    pieces = _MARKER.split(_CUT_MARKER.sub("", text))
    for piece, marker in zip(pieces[::2], [*pieces[1::2], ""], strict=True):
        if last == marker == "message" and not piece.strip():
            continue  # doubled
        if last == "message":
            num_messages += _add(found, header, _without_role(piece) if marker == "channel" else piece)
            header = ""
        elif last in ("start", "channel") and marker in ("message", "channel"):
            header = f"{header} {piece}"
        elif marker == "message":
            named = _CHANNEL_AT_END.search(piece.rstrip()[-LONGEST_NAMES:])
            header = named[0] if named else ""
            found.between.append(piece.rstrip().removesuffix(header))
        else:
            if last != "channel" and (last != "start" or marker):
                found.between.append(_ROLE.sub("", piece) if last == "start" else _without_role(piece))
            header = ""
        last = marker
    if not num_messages:
        return None
    stray = "\n".join(each.strip() for each in found.between if each.strip())
    content = found.finals[-1] if found.finals else stray or None
    return Turn("\n\n".join(found.thoughts) or None, content, len(found.calls))


def _without_role(piece: str) -> str:
    """The text without the role at its end, which belongs to the header that follows."""
    return piece.rstrip().removesuffix("assistant") if piece.rstrip().endswith("assistant") else piece


def _add(found: _Found, header: str, text: str) -> int:
    """Put a message where it belongs; 1 if its header names the assistant or a channel of its."""
    if _OTHER_ROLE.match(header):
        return 0
    name = next((each for each in CHANNELS if each in header), None)
    if name is None and "assistant" not in header:
        found.between.append(text)
        return 0
    if "to=" in header and name != "final":
        found.calls.append(text)
    elif name == "analysis":
        found.thoughts.append(text)
    elif name != "commentary":
        found.finals.append(text)
    return 1


def _text(message: Any) -> str:  # noqa: ANN401
    return "".join(part.text for part in message.content if hasattr(part, "text"))
