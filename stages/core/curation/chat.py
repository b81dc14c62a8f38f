"""Chat form of SFT rows: messages with `<think>` blocks, and their tokens with the loss on the assistant only."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from stages.core.sampling.prompts import Message


class TokenisedRow(NamedTuple):
    """Token ids of a whole conversation, and how many of them, from the start, are prompt and not trained."""

    input_ids: list[int]
    num_prompt: int


def assistant_text(reasoning: str | None, content: str) -> str:
    r"""The assistant's turn in ReasonLite's form: `<think>\n{reasoning}\n</think>{content}`, or the content alone."""
    return f"<think>\n{reasoning}\n</think>{content}" if reasoning else content


class RenderedPrompt(NamedTuple):
    """The text of the chat template up to the answer, and its tokens."""

    text: str
    ids: list[int]


def prompt(messages: Sequence[Message], tokenizer: Any) -> RenderedPrompt:  # noqa: ANN401
    """The prompt of the messages that come before an answer."""
    text = _text(tokenizer, messages, add_generation_prompt=True)
    return RenderedPrompt(text, _ids(tokenizer, text))


def tokenise(messages: Sequence[Message], tokenizer: Any, before: RenderedPrompt | None = None) -> TokenisedRow:  # noqa: ANN401
    """Tokens of a conversation as the student will see it, trained from the assistant's first token to its end token.

    `tokenizer` is a transformers tokenizer with a chat template; the last message is the assistant's; `before` is the
    prompt of the others, for callers that have it. Whatever the template adds before the answer is prompt (not
    trained), whatever it adds after the end token is left out.

    Raises:
        ValueError: the template renders the prompt otherwise when an answer follows, or leaves out the end token: the
            student would be trained on a text that it is never asked with, or would never learn to stop.
    """
    rendered = before or prompt(messages[:-1], tokenizer)
    text = _text(tokenizer, messages, add_generation_prompt=False)
    if not text.startswith(rendered.text):
        raise ValueError("the chat template renders the prompt differently before an answer; use one that does not")
    whole = _ids(tokenizer, text)
    if whole[: len(rendered.ids)] != rendered.ids:
        # A token may span the seam (two newlines are one). The student gets the prompt's tokens and goes on from there.
        whole = rendered.ids + _ids(tokenizer, text.removeprefix(rendered.text))
    end = tokenizer.eos_token_id
    ends = [place for place in range(len(rendered.ids), len(whole)) if whole[place] == end]
    if not ends:
        raise ValueError(f"the chat template ends an answer without the end token {tokenizer.eos_token!r}")
    return TokenisedRow(whole[: ends[-1] + 1], len(rendered.ids))


def read_back(row: TokenisedRow, messages: Sequence[Message], tokenizer: Any) -> None:  # noqa: ANN401
    """Check what `tokenise` made: its text is the template's, what is trained is the answer, to its end token.

    Raises:
        ValueError: decoding gives another text, or the trained part is not the assistant's whole turn and nothing else.
    """
    text = tokenizer.decode(row.input_ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)
    rendered = _text(tokenizer, messages, add_generation_prompt=False)
    if _squeezed(text) not in _squeezed(rendered):
        raise ValueError("its tokens decode to another text than the chat template's")
    trained = row.input_ids[row.num_prompt :]
    answer = tokenizer.decode(trained, skip_special_tokens=False, clean_up_tokenization_spaces=False)
    if trained[-1] != tokenizer.eos_token_id or _squeezed(answer) not in _squeezed(rendered):
        raise ValueError("what is trained is not the answer up to its end token")
    content = _squeezed(messages[-1]["content"])
    # Some templates ask with "<think>" already written.
    wanted = content if content in _squeezed(answer) else content.removeprefix("<think>")
    before, separator, _ = _squeezed(answer).partition(wanted)
    if not separator or content not in _squeezed(text):
        raise ValueError("the chat template leaves out a part of the answer, or of its reasoning")
    if before not in ("", "<think></think>"):
        raise ValueError(
            f"the chat template writes {before!r} before the answer, which is not in what the student is asked with; "
            "use one with add_generation_prompt that keeps <think> as it is"
        )


def _squeezed(text: str) -> str:
    # Tokenizers may add or take a space at the edges, and templates strip lines.
    return "".join(text.split())


def _text(tokenizer: Any, messages: Sequence[Message], add_generation_prompt: bool) -> str:  # noqa: ANN401
    rendered = tokenizer.apply_chat_template(
        list(messages), tokenize=False, add_generation_prompt=add_generation_prompt
    )
    return str(rendered)


def _ids(tokenizer: Any, text: str) -> list[int]:  # noqa: ANN401
    # The template has written the special tokens already.
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])
