"""A student is loaded for training, or it is said what has to be otherwise, before a step is taken."""

from pathlib import Path

import pytest
import torch
import transformers

from stages.core.training import attention
from stages.edge import params
from stages.edge.errors import InputError, SettingError
from stages.edge.training import students
from tests.core.training.test_student import random
from tests.edge.asking.test_sampler import runtime


def settings(**changes: object) -> params.Train:
    return params.load_profile("cpu").train["turbo"].model_copy(update=changes)


def test_a_model_that_takes_no_attention_but_its_own_is_refused_in_a_sentence(tmp_path: Path) -> None:
    random("GPTJ", "eager", n_embd=64, n_head=4, n_layer=2, rotary_dim=8).save_pretrained(tmp_path)
    machine = runtime(padding=False, attention="documents")
    with pytest.raises(SettingError, match=r"an attention of its own that takes no other: set runtime.padding to true"):
        students.load(tmp_path, settings(), machine)
    model, named = students.load(tmp_path, settings(), runtime(padding=True, attention="auto"))
    assert named is None and type(model).__name__ == "GPTJForCausalLM"


def test_a_cap_on_attention_is_never_left_out(tmp_path: Path) -> None:
    random("Gemma2", "eager", head_dim=16, attn_logit_softcapping=2.0).save_pretrained(tmp_path)
    with pytest.raises(SettingError, match=r"set runtime.padding to true and runtime.attention to eager"):
        students.load(tmp_path, settings(), runtime(padding=True, attention="sdpa"))
    model, named = students.load(tmp_path, settings(), runtime(padding=True, attention="eager"))
    assert named == model.config._attn_implementation == "eager"
    tensors = [torch.zeros(1, 2, 4, 8) for _ in range(3)]
    with pytest.raises(ValueError, match=r"has no softcap: set runtime.padding to true and runtime.attention to eager"):
        attention._attention(None, *tensors, None, softcap=2.0)


def test_a_published_temperature_without_sampling_does_not_stop_the_first_checkpoint(tmp_path: Path) -> None:
    model = random("Llama", "sdpa")
    model.generation_config = transformers.GenerationConfig(temperature=0.6, top_p=0.95)
    with pytest.raises(ValueError, match="do_sample"):
        model.save_pretrained(tmp_path / "refused")
    students.mend_generation_config(model, tmp_path)
    model.save_pretrained(tmp_path / "written")
    again = transformers.GenerationConfig.from_pretrained(tmp_path / "written")
    assert (again.temperature, again.top_p, again.do_sample) == (0.6, 0.95, True)
    model.generation_config.max_new_tokens = -5
    with pytest.raises(InputError, match=r"generation_config.json: mend it"):
        students.mend_generation_config(model, tmp_path)
