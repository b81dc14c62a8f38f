"""A student whose layers mix the traces that share a row is noticed before its training."""

from typing import Any

import pytest
import torch
import transformers

from stages.core.training import attention, student

SMALL: dict[str, Any] = dict(
    vocab_size=200, hidden_size=64, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
    num_key_value_heads=2, pad_token_id=0, bos_token_id=1, eos_token_id=2,
)  # fmt: skip
CPU = torch.device("cpu")


def random(family: str, implementation: str | None = None, **changes: object) -> Any:
    torch.manual_seed(0)
    config = getattr(transformers, f"{family}Config")(**{**SMALL, **changes})
    config._attn_implementation = implementation or attention.register()
    return getattr(transformers, f"{family}ForCausalLM")(config)


@pytest.mark.parametrize(
    ("family", "changes"),
    [("Qwen3", {"head_dim": 16}), ("Llama", {}), ("Phi3", {}), ("Granite", {})],
)
@pytest.mark.parametrize("bf16", [False, True])
def test_models_of_attention_alone_keep_traces_apart(family: str, changes: dict[str, Any], bf16: bool) -> None:
    model = random(family, **changes)
    student.check_apart(model.train(), CPU, bf16)
    assert model.training, "as it was"


@pytest.mark.parametrize(
    ("family", "changes"),
    [
        ("Lfm2", {"layer_types": ["conv", "full_attention"], "conv_L_cache": 3}),
        ("Mamba", {"state_size": 8}),
        ("Qwen3Next", {"head_dim": 16, "layer_types": ["linear_attention", "full_attention"], "num_experts": 0}),
    ],
)
def test_models_whose_other_layers_know_no_bounds_are_refused(family: str, changes: dict[str, Any]) -> None:
    model = random(family, **changes)
    with pytest.raises(ValueError, match=rf"see each other in a {family}ForCausalLM.*set runtime.padding to true"):
        student.check_apart(model, CPU, False)
