"""Vectors of meaning from a text encoder."""

from pathlib import Path

import numpy as np
import pytest

from stages.edge.errors import InputError
from stages.edge.fetching.embeddings import embed

VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "find", "the", "sum", "of", "area", "a", "circle", "1", "2"]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An encoder of a few thousand random weights."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizer

    folder = tmp_path_factory.mktemp("encoder")
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY))
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(VOCABULARY), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
        max_position_embeddings=32,
    )  # fmt: skip
    BertModel(config).save_pretrained(folder)
    BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    return folder


def test_a_text_is_a_vector_of_length_1_whatever_stands_beside_it(encoder: Path) -> None:
    texts = ["find the sum of 1 2", "find the area of a circle", "sum", "find the sum of 1 2"]
    found = embed(texts, str(encoder), None)
    assert found.shape == (4, 16) and found.dtype == np.float32
    assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    assert np.allclose(found[0], found[3], atol=1e-6)
    assert found[0] @ found[1] < 0.999
    for text, vector in zip(texts, found, strict=True):
        assert np.allclose(embed([text], str(encoder), None)[0], vector, atol=1e-5)


def test_a_text_longer_than_the_encoder_is_cut(encoder: Path) -> None:
    assert embed(["sum " * 100], str(encoder), None).shape == (1, 16)


def test_a_folder_without_an_encoder_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot be loaded as a text encoder .*embedding to null"):
        embed(["sum"], str(tmp_path), None)
