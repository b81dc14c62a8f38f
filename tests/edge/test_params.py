"""Settings are typed, complete and without defaults; what is wrong is named before any work."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from stages.edge import params
from stages.edge.errors import SettingError

TRAIN = {
    "learning_rate": 1e-4,
    "min_lr_ratio": 0.1,
    "warmup_ratio": 0.03,
    "epochs": 1,
    "batch_size": 8,
    "max_length": 256,
    "max_grad_norm": 1.0,
    "weight_decay": 0.0,
    "bf16": False,
    "gradient_checkpointing": False,
    "seed": 42,
}


def write(folder: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    (folder / "params.yaml").write_text(text)
    monkeypatch.chdir(folder)
    params._document.cache_clear()


@pytest.fixture(autouse=True)
def forget() -> Any:
    yield
    params._document.cache_clear()


def load(folder: Path, monkeypatch: pytest.MonkeyPatch, **changes: object) -> params.Train:
    document = {"profile": "p", "profiles": {"p": {"train": {**TRAIN, **changes}}}}
    write(folder, monkeypatch, yaml.safe_dump(document))
    return params.load(params.Train, "train")


def test_a_number_as_dvc_writes_it_is_a_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(
        tmp_path,
        monkeypatch,
        yaml.safe_dump({"profile": "p", "profiles": {"p": {"train": TRAIN}}}).replace("0.0001", "1e-04"),
    )
    assert yaml.safe_load("1e-04") == "1e-04", "PyYAML reads it as text"
    assert params.load(params.Train, "train").learning_rate == 1e-4


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"learning_rat": 1}, "profiles.p.train.learning_rat: Extra inputs are not permitted"),
        ({"learning_rate": "fast"}, "profiles.p.train.learning_rate: Input should be a valid number"),
        ({"learning_rate": 0}, "learning_rate: Input should be greater than 0 (found 0)"),
        ({"learning_rate": float("nan")}, "learning_rate: Input should be"),
        ({"learning_rate": float("inf")}, "learning_rate: Input should be a finite number"),
        ({"epochs": 1.5}, "epochs: Input should be a valid integer"),
        ({"epochs": None}, "epochs: Input should be a valid integer"),
        ({"min_lr_ratio": 1.1}, "min_lr_ratio: Input should be less than or equal to 1"),
        ({"bf16": "maybe"}, "bf16: Input should be a valid boolean"),
    ],
)
def test_a_wrong_setting_is_named_with_what_is_allowed(
    change: dict[str, object], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SettingError) as error:
        load(tmp_path, monkeypatch, **change)
    assert str(error.value).startswith("params.yaml: ")
    assert told in str(error.value)


@pytest.mark.parametrize("key", TRAIN)
def test_no_key_may_be_left_out(key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    document = {
        "profile": "p",
        "profiles": {"p": {"train": {name: value for name, value in TRAIN.items() if name != key}}},
    }
    write(tmp_path, monkeypatch, yaml.safe_dump(document))
    with pytest.raises(SettingError, match=f"train.{key}: Field required"):
        params.load(params.Train, "train")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("profile: p\nprofiles: {p: {}}\n", "profiles.p.train is missing"),
        ("profile: q\nprofiles: {p: {}}\n", r"profile: 'q' is not one of \['p'\]"),
        ("profiles: {p: {}}\n", "profile: None is not one of"),
        ("- a list\n", "must be a mapping"),
        ("profile: [\n", "cannot be read"),
    ],
)
def test_a_broken_file_is_named(text: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, monkeypatch, text)
    with pytest.raises(SettingError, match=told):
        params.load(params.Train, "train")


def test_settings_cannot_be_changed_by_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = load(tmp_path, monkeypatch)
    with pytest.raises(ValueError, match="frozen"):
        found.epochs = 2  # type: ignore[misc]
