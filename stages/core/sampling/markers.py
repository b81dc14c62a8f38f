"""The markers that chat models write around their turns, thoughts and tool calls, by family, each with its source.

A server that knows the family takes them out. Where one does not, they stand in the content: import, replies and
curation all look them up here. The sources are the chat templates and the lists of special tokens that the makers
publish with their models.
"""

import re
from typing import NamedTuple


class Family(NamedTuple):
    """Markers of one family of models: `thoughts` are (opening, closing) tags, `tokens` all others."""

    name: str
    source: str
    thoughts: tuple[tuple[str, str], ...]
    tokens: tuple[str, ...]


BAR = "\uff5c"
"""The wide vertical bar of DeepSeek's tokens."""
FAMILIES = (
    Family(
        "gpt-oss (harmony)", "https://github.com/openai/harmony, src/registry.rs", (),
        ("<|start|>", "<|end|>", "<|message|>", "<|channel|>", "<|constrain|>", "<|return|>", "<|call|>"),
    ),
    Family(
        "ChatML, Qwen", "https://huggingface.co/Qwen/Qwen3-0.6B, tokenizer_config.json",
        (("<think>", "</think>"),),
        (
            "<|im_start|>", "<|im_end|>", "<|endoftext|>", "<tool_call>", "</tool_call>", "<tool_response>",
            "</tool_response>",
        ),
    ),
    Family(
        "s1", "https://github.com/simplescaling/s1",
        (("<|im_start|>think", "<|im_start|>answer"),), (),
    ),
    Family(
        "DeepSeek", "https://huggingface.co/deepseek-ai/DeepSeek-R1, tokenizer_config.json",
        (("<think>", "</think>"),),
        tuple(f"<{BAR}{name}{BAR}>" for name in ("begin▁of▁sentence", "end▁of▁sentence", "User", "Assistant")),
    ),
    Family(
        "Llama 3", "https://huggingface.co/meta-llama/Llama-3.1-8B-Instruct, tokenizer_config.json", (),
        (
            "<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>", "<|eom_id|>", "<|start_header_id|>",
            "<|end_header_id|>", "<|python_tag|>",
        ),
    ),
    Family(
        "Llama 2, Mistral", "https://huggingface.co/mistralai/Magistral-Small-2507, SYSTEM_PROMPT.txt and tekken.json",
        (("[THINK]", "[/THINK]"),),
        ("</s>", "[INST]", "[/INST]", "[TOOL_CALLS]", "[AVAILABLE_TOOLS]", "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]"),
    ),
    Family(
        "Gemma", "https://huggingface.co/google/gemma-3-1b-it, tokenizer_config.json", (),
        ("<start_of_turn>", "<end_of_turn>", "<bos>", "<eos>"),
    ),
    Family(
        "Phi, GLM", "https://huggingface.co/microsoft/Phi-4-reasoning and zai-org/GLM-4.5, tokenizer_config.json",
        (("<think>", "</think>"),),
        ("<|user|>", "<|assistant|>", "<|system|>", "<|observation|>", "[gMASK]", "<sop>"),
    ),
    Family(
        "Sky-T1, OpenThinker", "https://huggingface.co/datasets/open-thoughts/OpenThoughts-114k, system prompt",
        (("<|begin_of_thought|>", "<|end_of_thought|>"),),
        ("<|begin_of_solution|>", "<|end_of_solution|>"),
    ),
    Family(
        "Command", "https://huggingface.co/CohereLabs/command-a-reasoning-08-2025, tokenizer_config.json",
        (("<|START_THINKING|>", "<|END_THINKING|>"),),
        ("<|START_RESPONSE|>", "<|END_RESPONSE|>", "<|START_OF_TURN_TOKEN|>", "<|END_OF_TURN_TOKEN|>"),
    ),
    Family("Kimi", "https://huggingface.co/moonshotai/Kimi-VL-A3B-Thinking, README.md", (("◁think▷", "◁/think▷"),), ()),
    Family(
        "Seed-OSS", "https://huggingface.co/ByteDance-Seed/Seed-OSS-36B-Instruct, README.md",
        (("<seed:think>", "</seed:think>"),), ("<seed:bos>", "<seed:eos>"),
    ),
    Family(
        "prompted to think aloud", "https://docs.anthropic.com, chain of thought prompts",
        (("<thinking>", "</thinking>"), ("<thought>", "</thought>"), ("<reasoning>", "</reasoning>")), (),
    ),
)  # fmt: skip
THOUGHTS = {opening: closing for family in FAMILIES for opening, closing in family.thoughts}
"""Closing tag by opening tag."""
TOKENS = frozenset(token for family in FAMILIES for token in family.tokens)
SOLUTION = ("<|begin_of_solution|>", "<|end_of_solution|>")
"""What stands around an answer, where a thought stands before it."""


def _any_of(texts: frozenset[str]) -> str:
    return "|".join(map(re.escape, sorted(texts, key=lambda text: (-len(text), text))))


TAG = re.compile(_any_of(frozenset([*THOUGHTS, *THOUGHTS.values()])))
"""An opening or closing tag of a thought."""
OPENING = re.compile(rf"\s*(?:(?:{_any_of(TOKENS)})\s*)?({_any_of(frozenset(THOUGHTS))})")
"""A text that begins with a thought, perhaps behind a token that begins a turn."""
CLOSING = re.compile(_any_of(frozenset(THOUGHTS.values())))
TOKEN = re.compile(rf"{_any_of(TOKENS)}|<\|/?[A-Za-z][A-Za-z0-9_]{{2,39}}\|>|<{BAR}[^<>{BAR}\n]{{2,40}}{BAR}>")
"""A token of a chat format: one of the table, or one of a family that is not listed, by its form."""
