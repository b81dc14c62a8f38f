"""A language model small enough for tests: random weights, a real tokenizer, a real chat template."""

from functools import cache
from pathlib import Path
from typing import Any

from stages.core.curation import chat

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>' + '\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
MAX_TOKENS = 32768
SPECIAL_TOKENS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]


def save_tiny_model(folder: Path, family: str = "Llama", seed: int = 0, num_positions: int = MAX_TOKENS) -> Path:
    """Write a two-layer model of about 100,000 weights to `folder` as safetensors, and return the folder.

    `family` is `Llama` or `Qwen3`.

    Its tokenizer is `tiny_tokenizer`.
    """
    import torch
    import transformers

    tokenizer = tiny_tokenizer()
    torch.manual_seed(seed)
    config = getattr(transformers, f"{family}Config")(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        head_dim=32,
        max_position_embeddings=num_positions,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        dtype="float32",
    )
    model = getattr(transformers, f"{family}ForCausalLM")(config)
    model.generation_config = transformers.GenerationConfig(
        eos_token_id=tokenizer.eos_token_id, bos_token_id=tokenizer.bos_token_id
    )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@cache
def tiny_tokenizer() -> Any:
    """Of the 256 bytes and three special tokens, so that any text has tokens and any tokens have text."""
    import transformers
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    symbols = [*SPECIAL_TOKENS, *sorted(pre_tokenizers.ByteLevel.alphabet())]
    tokens = Tokenizer(models.BPE(vocab={symbol: place for place, symbol in enumerate(symbols)}, merges=[]))
    tokens.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokens.decoder = decoders.ByteLevel()
    tokens.add_special_tokens(SPECIAL_TOKENS)
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokens, eos_token="<|im_end|>", bos_token="<|im_start|>", pad_token="<|endoftext|>"
    )
    tokenizer.chat_template = CHAT_TEMPLATE
    tokenizer.model_max_length = MAX_TOKENS
    return tokenizer


def sft_row(problem_id: str, question: str, answer: str) -> dict[str, Any]:
    """A row of an SFT set, as curate writes it for this tokenizer."""
    messages = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    row = chat.tokenise(messages, tiny_tokenizer())
    return {
        "model": "teacher",
        "effort": "medium",
        "problem_id": problem_id,
        "sample": 0,
        "messages": messages,
        "num_tokens": len(row.input_ids),
        "input_ids": row.input_ids,
        "num_prompt": row.num_prompt,
    }
