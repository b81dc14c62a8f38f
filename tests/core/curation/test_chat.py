import re
from pathlib import Path
from typing import Any

import pytest
import trl
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from stages.core.curation.chat import assistant_text, prompt, read_back, tokenise
from stages.core.sampling.prompts import Message

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
THINKING = CHATML.replace("assistant\n{% endif %}", "assistant\n<think>\n{% endif %}")
"""The generation prompt opens the thought, as thinking-only models have it."""
SAID_LATER = "{{ 'Answered.\n' if messages[-1].role == 'assistant' else '' }}" + CHATML
"""What comes before the question depends on whether an answer follows."""
NO_END = CHATML.replace("<|im_end|>", "<|endoftext|>")


def tokenizer(template: str = CHATML, eos_token: str = "<|im_end|>") -> Any:
    """Byte-level BPE of single bytes and a few merges, two newlines among them."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    newline, space = "\u010a", "\u0120"  # how byte-level BPE writes them
    merges = [(newline, newline), (space, "4"), ("i", "s"), ("is", space)]
    vocabulary = {token: index for index, token in enumerate([*alphabet, *(a + b for a, b in merges)])}
    bpe = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    bpe.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        eos_token=eos_token,
        additional_special_tokens=["<|im_start|>", "<|im_end|>", "<|endoftext|>"],
        chat_template=template,
        clean_up_tokenization_spaces=False,
    )


TOKENIZER = tokenizer()


def conversation(answer: str, *before: tuple[str, str]) -> list[Message]:
    turns = [*before, ("user", "What is 6 times 7?"), ("assistant", answer)]
    return [{"role": role, "content": text} for role, text in turns]


def trained(messages: list[Message], reader: Any = TOKENIZER) -> str:
    row = tokenise(messages, reader)
    decoded: str = reader.decode(row.input_ids[row.num_prompt :])
    return decoded


# the assistant's turn


@pytest.mark.parametrize(
    ("reasoning", "content", "text"),
    [
        ("6 times 7", "42", "<think>\n6 times 7\n</think>42"),
        ("R", "\n\n42", "<think>\nR\n</think>\n\n42"),
        (None, "42", "42"),
        ("", "42", "42"),
    ],
)
def test_reasoning_stands_in_a_think_block_before_the_content(reasoning: str | None, content: str, text: str) -> None:
    assert assistant_text(reasoning, content) == text


# tokens


def test_a_prompt_that_was_made_before_changes_nothing() -> None:
    messages = conversation("It is 42.", ("system", "Be brief."))
    assert tokenise(messages, TOKENIZER, prompt(messages[:-1], TOKENIZER)) == tokenise(messages, TOKENIZER)


def test_all_is_ignored_up_to_the_answer_and_the_answer_is_trained_to_its_end_token() -> None:
    messages = conversation("It is 42.", ("system", "Be brief."))
    row = tokenise(messages, TOKENIZER)
    prompt = "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nWhat is 6 times 7?<|im_end|>\n"
    first = row.num_prompt
    assert TOKENIZER.decode(row.input_ids[:first]) == f"{prompt}<|im_start|>assistant\n"
    assert TOKENIZER.decode(row.input_ids[first:]) == "It is 42.<|im_end|>"


def test_what_the_template_adds_after_the_end_token_is_left_out() -> None:
    row = tokenise(conversation("42"), TOKENIZER)
    assert row.input_ids[-1] == TOKENIZER.eos_token_id
    assert row.input_ids.count(TOKENIZER.eos_token_id) == 2  # the user's turn ends with it too


def test_the_prompt_is_the_one_with_which_a_student_is_asked() -> None:
    messages = conversation("42")
    asked = TOKENIZER.apply_chat_template(messages[:-1], add_generation_prompt=True, return_dict=False)
    assert tokenise(messages, TOKENIZER).input_ids[: len(asked)] == asked


def test_an_earlier_answer_is_prompt() -> None:
    examples = (("user", "What is 2 times 3?"), ("assistant", "It is 6."))
    assert trained(conversation("It is 42.", *examples)) == "It is 42.<|im_end|>"


answers = st.one_of(
    st.text(alphabet=st.characters(exclude_categories=["Cs"])),
    st.text(alphabet=" 4is\n"),
    st.builds(assistant_text, st.text(alphabet="Rr \n"), st.text(alphabet="4 \n")),
)


@given(answers)
def test_whatever_is_answered_comes_back_from_the_trained_tokens_to_the_letter(answer: str) -> None:
    messages = conversation(answer)
    row = tokenise(messages, TOKENIZER)
    assert trained(messages) == f"{answer}<|im_end|>"
    assert TOKENIZER.decode(row.input_ids) == TOKENIZER.apply_chat_template(messages, tokenize=False).removesuffix("\n")


def test_an_answer_that_starts_with_newlines_is_trained_after_the_very_tokens_of_the_prompt() -> None:
    # The template ends its prompt with a newline; with the answer's own it would be one token that no prompt ends with.
    messages = conversation("\n42")
    asked = TOKENIZER.apply_chat_template(messages[:-1], add_generation_prompt=True, return_dict=False)
    whole = TOKENIZER.apply_chat_template(messages, return_dict=False)
    assert whole[: len(asked)] != asked
    row = tokenise(messages, TOKENIZER)
    assert row.input_ids[: len(asked)] == asked
    assert trained(messages) == "\n42<|im_end|>"


def test_an_empty_answer_still_trains_the_end_token() -> None:
    assert trained(conversation("")) == "<|im_end|>"


def test_a_thought_that_the_template_opens_is_prompt_and_its_rest_is_trained() -> None:
    reader = tokenizer(THINKING)
    assert trained(conversation(assistant_text("R", "42")), reader) == "R\n</think>42<|im_end|>"


def test_an_answer_without_the_thought_that_the_template_opens_is_refused() -> None:
    with pytest.raises(ValueError, match="renders the prompt differently"):
        tokenise(conversation("42"), tokenizer(THINKING))


def test_a_template_that_changes_the_prompt_once_an_answer_follows_is_refused() -> None:
    with pytest.raises(ValueError, match="renders the prompt differently"):
        tokenise(conversation("42"), tokenizer(SAID_LATER))


def test_a_template_that_ends_an_answer_otherwise_than_with_the_end_token_is_refused() -> None:
    with pytest.raises(ValueError, match=r"without the end token '<\|im_end\|>'"):
        tokenise(conversation("42"), tokenizer(NO_END))
    assert trained(conversation("42"), tokenizer(NO_END, "<|endoftext|>")) == "42<|endoftext|>"


# real templates, as TRL ships them


def published(name: str) -> str:
    """The text of a model family's own chat template."""
    return (Path(trl.__file__).parent / "chat_templates" / f"{name}.jinja").read_text(encoding="utf-8")


THOUGHT = assistant_text("6 times 7 is 42.\n\nSo it is.", "The answer is \\boxed{42}.")


def test_with_qwen3s_own_template_the_thought_the_answer_and_the_end_token_are_trained_and_nothing_else() -> None:
    reader = tokenizer(published("qwen3"))
    messages = conversation(THOUGHT, ("system", "Reason."))
    row = tokenise(messages, reader)
    read_back(row, messages, reader)
    whole = reader.decode(row.input_ids)
    assert whole == (
        "<|im_start|>system\nReason.<|im_end|>\n<|im_start|>user\nWhat is 6 times 7?<|im_end|>\n<|im_start|>assistant\n"
        "<think>\n6 times 7 is 42.\n\nSo it is.\n</think>\n\nThe answer is \\boxed{42}.<|im_end|>"
    )
    place = row.num_prompt
    assert reader.decode(row.input_ids[:place]).endswith("<|im_start|>assistant\n")
    assert reader.decode(row.input_ids[place:]).startswith("<think>\n6 times 7")


@pytest.mark.parametrize(
    ("name", "end"),
    [("qwen3", "<|im_end|>"), ("qwen2_5", "<|im_end|>"), ("llama3", "<|eot_id|>"), ("llama3_2", "<|eot_id|>")],
)
@pytest.mark.parametrize("answer", [THOUGHT, "The answer is \\boxed{42}."])
def test_templates_that_keep_the_thought_are_taken(name: str, end: str, answer: str) -> None:
    reader = tokenizer(published(name), end)
    reader.bos_token = "<|im_start|>"
    messages = conversation(answer)
    read_back(tokenise(messages, reader), messages, reader)


@pytest.mark.parametrize(
    ("template", "fault"),
    [
        (CHATML.replace("message.content", "message.content.split('</think>')[-1]"), "leaves out a part of the answer"),
        (published("qwen3_8"), "before the answer"),
        (CHATML.partition("{% if add")[0], "'<|im_start|>assistant' before the answer"),
        (CHATML.replace("message.content", "message.content | replace('42', '')"), "leaves out a part of the answer"),
    ],
    ids=["drops the thought", "puts the thought elsewhere", "no generation prompt", "drops numbers"],
)
def test_templates_that_would_train_another_turn_are_refused(template: str, fault: str) -> None:
    reader = tokenizer(template)
    messages = conversation(THOUGHT)
    with pytest.raises(ValueError, match=re.escape(fault)):
        read_back(tokenise(messages, reader), messages, reader)


def test_a_template_that_asks_with_the_thought_opened_is_taken() -> None:
    reader = tokenizer(THINKING)
    messages = conversation(THOUGHT)
    read_back(tokenise(messages, reader), messages, reader)
