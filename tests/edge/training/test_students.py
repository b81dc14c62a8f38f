"""A student is loaded for training, or it is said what has to be otherwise, before a step is taken."""

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from stages.edge import params
from stages.edge.errors import InputError, SettingError
from stages.edge.training import attention, students
from tests.edge.asking.test_sampler import runtime

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


def settings(**changes: object) -> params.Train:
    return params.load_profile("cpu").train["turbo"].model_copy(update=changes)


@pytest.mark.parametrize(
    ("family", "changes"),
    [("Qwen3", {"head_dim": 16}), ("Llama", {}), ("Phi3", {}), ("Granite", {})],
)
@pytest.mark.parametrize("bf16", [False, True])
def test_models_of_attention_alone_keep_traces_apart(family: str, changes: dict[str, Any], bf16: bool) -> None:
    model = random(family, **changes)
    students.check_apart(model.train(), CPU, bf16)
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
    with pytest.raises(SettingError, match=rf"see each other in a {family}ForCausalLM.*set runtime.padding to true"):
        students.check_apart(model, CPU, False)


def test_a_model_that_takes_no_attention_but_its_own_is_refused_in_a_sentence(tmp_path: Path) -> None:
    random("GPTJ", "eager", n_embd=64, n_head=4, n_layer=2, rotary_dim=8).save_pretrained(tmp_path)
    machine = runtime(padding=False, attention="documents")
    with pytest.raises(SettingError, match=r"an attention of its own that takes no other: set runtime.padding to true"):
        students.loaded(tmp_path, settings(), machine)
    model, named = students.loaded(tmp_path, settings(), runtime(padding=True, attention="auto"))
    assert named is None and type(model).__name__ == "GPTJForCausalLM"


def test_a_cap_on_attention_is_never_left_out(tmp_path: Path) -> None:
    random("Gemma2", "eager", head_dim=16, attn_logit_softcapping=2.0).save_pretrained(tmp_path)
    with pytest.raises(SettingError, match=r"set runtime.padding to true and runtime.attention to eager"):
        students.loaded(tmp_path, settings(), runtime(padding=True, attention="sdpa"))
    model, named = students.loaded(tmp_path, settings(), runtime(padding=True, attention="eager"))
    assert named == model.config._attn_implementation == "eager"
    tensors = [torch.zeros(1, 2, 4, 8) for _ in range(3)]
    with pytest.raises(ValueError, match=r"has no softcap: set runtime.padding to true and runtime.attention to eager"):
        attention._attention(None, *tensors, None, softcap=2.0)


def test_a_published_temperature_without_sampling_does_not_stop_the_first_checkpoint(tmp_path: Path) -> None:
    model = random("Llama", "sdpa")
    model.generation_config = transformers.GenerationConfig(temperature=0.6, top_p=0.95)
    with pytest.raises(ValueError, match="do_sample"):
        model.save_pretrained(tmp_path / "refused")
    students.let_write(model, tmp_path)
    model.save_pretrained(tmp_path / "written")
    again = transformers.GenerationConfig.from_pretrained(tmp_path / "written")
    assert (again.temperature, again.top_p, again.do_sample) == (0.6, 0.95, True)
    model.generation_config.max_new_tokens = -5
    with pytest.raises(InputError, match=r"generation_config.json: mend it"):
        students.let_write(model, tmp_path)
