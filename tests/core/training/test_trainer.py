"""Attention within each trace, and steps whose loss and gradients do not hang on how they are cut."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from stages.core.training import attention, batching, student, trainer
from stages.core.training.batches import IGNORED
from tests.tiny_models import save_tiny_model

LENGTHS = [9, 33, 4, 21, 17, 2, 40, 12]


class Rows:
    def __init__(self, lengths: list[int], seed: int = 0) -> None:
        draw = np.random.default_rng(seed)
        self.lengths = np.array(lengths)
        self._rows = [draw.integers(3, 200, length) for length in lengths]

    def row(self, index: int) -> tuple[Any, int]:
        return self._rows[index], min(3, len(self._rows[index]) - 1)


@pytest.fixture(scope="module", params=["Qwen3", "Llama"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("model"), request.param)


def model(folder: Path, implementation: str) -> Any:
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation=implementation)


def steps(limit: batching.Limit, device: int = 0, num_devices: int = 1) -> trainer.Steps:
    return trainer.Steps(Rows(LENGTHS), batching.Plan(len(LENGTHS), 8, 1, 0), limit, device, num_devices, pad=0)


def loss_and_gradients(learner: Any, batches: list[dict[str, Any]]) -> tuple[float, dict[str, torch.Tensor]]:
    """Of one step, as its micro-batches add up: each token counts once."""
    learner.zero_grad()
    num_tokens = sum(int((batch["labels"] != IGNORED).sum()) for batch in batches)
    total = 0.0
    for batch in batches:
        logits = learner(**{name: each for name, each in batch.items() if name != "labels"}).logits
        loss = torch.nn.functional.cross_entropy(
            logits[:, :-1].flatten(0, 1), batch["labels"][:, 1:].flatten(), reduction="sum"
        )
        (loss / num_tokens).backward()
        total += float(loss.detach()) / num_tokens
    return total, {name: each.grad.clone() for name, each in learner.named_parameters() if each.grad is not None}


def test_traces_in_one_row_have_the_logits_that_they_have_alone(folder: Path) -> None:
    learner = model(folder, attention.register())
    (batch,) = steps(batching.Limit(1000, None, False))[0]
    bounds = batch["cu_seq_lens_q"].tolist()
    with torch.no_grad():
        joint = learner(**{name: each for name, each in batch.items() if name != "labels"}).logits[0]
        for start, end in pairwise(bounds):
            alone = learner(batch["input_ids"][:, start:end]).logits[0]
            assert torch.equal(joint[start:end], alone) or (joint[start:end] - alone).abs().max() < 1e-5


@pytest.mark.parametrize(
    "limit",
    [
        batching.Limit(1000, None, False),  # all in one row
        batching.Limit(60, None, False),  # packed to a budget of tokens
        batching.Limit(1000, 2, False),  # two traces in a row
        batching.Limit(40, 1, True),  # one at a time
    ],
)
def test_loss_and_gradients_of_a_step_equal_those_of_padded_rows(folder: Path, limit: batching.Limit) -> None:
    wanted_loss, wanted = loss_and_gradients(model(folder, "sdpa"), steps(batching.Limit(1000, None, True))[0])
    cut = steps(limit)[0]
    loss, found = loss_and_gradients(model(folder, "sdpa" if limit.padded else attention.register()), cut)
    assert loss == pytest.approx(wanted_loss, abs=1e-6)
    assert found.keys() == wanted.keys()
    for name, gradient in wanted.items():
        assert (found[name] - gradient).abs().max() < 1e-6 + 1e-5 * gradient.abs().max()


def test_the_devices_of_a_step_have_all_its_traces_and_as_many_passes() -> None:
    limit = batching.Limit(60, None, False)
    (whole,) = steps(batching.Limit(1000, None, False))[0]
    parts = [steps(limit, device, 3)[0] for device in range(3)]
    assert len({len(part) for part in parts}) == 1
    trained = sum(int((batch["labels"] != IGNORED).sum()) for part in parts for batch in part)
    assert trained == int((whole["labels"] != IGNORED).sum())


def test_a_device_without_a_trace_trains_nothing(folder: Path) -> None:
    few = trainer.Steps(Rows([20]), batching.Plan(1, 8, 1, 0), batching.Limit(100, None, False), 1, 2, pad=0)
    (batch,) = few[0]
    assert (batch["labels"] == IGNORED).all() and batch["input_ids"].numel() == 20


def test_the_first_token_of_a_trace_is_no_target_of_the_trace_before_it() -> None:
    (batch,) = steps(batching.Limit(1000, None, False))[0]
    starts = batch["cu_seq_lens_q"][:-1].long()
    assert (batch["labels"][0, starts] == IGNORED).all()
    assert (batch["position_ids"][0, starts] == 0).all()
    assert "attention_mask" not in batch  # with one, transformers forgets the bounds


def test_padded_rows_are_refused_by_the_attention_for_rows_without_padding(folder: Path) -> None:
    (batch,) = steps(batching.Limit(1000, None, True))[0]
    with pytest.raises(ValueError, match="for rows without padding"):
        model(folder, attention.register())(**batch)


def test_what_the_attention_cannot_do_is_refused_and_not_left_out() -> None:
    tensors = [torch.zeros(1, 2, 4, 8) for _ in range(3)]
    with pytest.raises(ValueError, match=r"has no sliding_window: set runtime.padding to true"):
        attention._attention(None, *tensors, None, sliding_window=3)


def test_groups_of_heads_share_keys_as_in_transformers(tmp_path: Path) -> None:
    from transformers import Qwen3Config, Qwen3ForCausalLM

    torch.manual_seed(0)
    config = Qwen3Config(
        vocab_size=200, hidden_size=64, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, head_dim=16,
    )  # fmt: skip
    Qwen3ForCausalLM(config).save_pretrained(tmp_path)
    tokens = torch.arange(3, 60)[None]
    with torch.no_grad():
        ours, theirs = (model(tmp_path, name)(tokens).logits for name in (attention.register(), "sdpa"))
    assert (ours - theirs).abs().max() < 1e-5


def test_a_model_is_measured_by_its_linear_layers(folder: Path) -> None:
    found = trainer.shape(model(folder, "sdpa"))
    # 2 layers: queries and output 64 x 64 each, keys and values 64 x 64, three of 64 x 128; the head 64 x vocabulary.
    vocabulary = 256 + 3
    assert found == batching.Shape(2 * (4 * 64 * 64 + 3 * 64 * 128) + 64 * vocabulary, 2, 64)


@pytest.mark.parametrize("takes_a_count", [True, False])
def test_a_step_is_the_mean_over_its_tokens_also_for_models_that_say_they_take_no_count(
    takes_a_count: bool, folder: Path, tmp_path: Path
) -> None:
    """Gemma 3n and 4 say so; transformers then hands on none, and means of micro-batches would be summed up."""
    from transformers import AutoTokenizer

    found = []
    for limit in (batching.Limit(1000, None, False), batching.Limit(60, None, False)):
        learner = model(folder, attention.register())
        learner.accepts_loss_kwargs = takes_a_count
        arguments = trainer.SFTConfig(
            output_dir=str(tmp_path), per_device_train_batch_size=1, num_train_epochs=1, max_length=None, use_cpu=True,
            dataset_kwargs={"skip_prepare_dataset": True}, logging_steps=1, save_strategy="no", report_to=[], bf16=False,
        )  # fmt: skip
        run = trainer.Trainer(learner, steps(limit), arguments, processing_class=AutoTokenizer.from_pretrained(folder))
        run.train()
        found.append([run.state.log_history[0][name] for name in ("loss", "grad_norm")])
    assert found[0] == pytest.approx(found[1], rel=1e-5)


def test_compiled_layers_give_the_same_loss(folder: Path) -> None:
    (batch,) = steps(batching.Limit(1000, None, False))[0]
    inputs = {name: each for name, each in batch.items() if name != "labels"}
    plain = model(folder, attention.register())
    wanted = plain(**inputs).logits
    student.compile_layers(plain)
    assert (plain(**inputs).logits - wanted).abs().max() < 1e-5
