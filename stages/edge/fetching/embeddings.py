"""Embeddings of texts, by a text encoder from the hub or a folder."""

import sys
from collections.abc import Sequence

import numpy as np

from stages.core.problems.contamination import Matrix
from stages.edge.errors import InputError
from stages.edge.models import libraries

BATCH = 64
MAX_TOKENS = 512


def embed(texts: Sequence[str], model: str, revision: str | None) -> Matrix:
    """One vector of length 1 for each text: the mean of its tokens' last hidden states (Reimers & Gurevych, 2019).

    Raises:
        InputError: the encoder cannot be loaded.
    """
    libraries.settle()
    import torch
    from transformers import AutoModel, AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(model, revision=revision)
        encoder = AutoModel.from_pretrained(model, revision=revision, dtype=torch.float32)
    except (OSError, ValueError) as error:
        raise InputError(
            f"{model}: cannot be loaded as a text encoder ({type(error).__name__}); check the name and the network, or "
            "set collect.decontaminate.embedding to null"
        ) from error
    device = "cuda" if torch.cuda.is_available() else "cpu"
    encoder.to(device).eval()
    # Texts of a length together, so that little of a batch is padding.
    order = sorted(range(len(texts)), key=lambda row: len(texts[row]))
    vectors = np.zeros((len(texts), encoder.config.hidden_size), dtype=np.float32)
    longest = min(MAX_TOKENS, getattr(encoder.config, "max_position_embeddings", MAX_TOKENS))
    for start in range(0, len(order), BATCH):
        rows = order[start : start + BATCH]
        batch = tokenizer(
            [texts[row] for row in rows], padding=True, truncation=True, max_length=longest, return_tensors="pt"
        ).to(device)
        with torch.no_grad():
            states = encoder(**batch).last_hidden_state
        weight = batch["attention_mask"].unsqueeze(-1).float()
        mean = (states * weight).sum(1) / weight.sum(1)
        vectors[rows] = torch.nn.functional.normalize(mean, dim=1).cpu().numpy()
        if start and start % (BATCH * 200) == 0:
            print(f"embedded {start:,} of {len(order):,} problems", file=sys.stderr, flush=True)
    return vectors
