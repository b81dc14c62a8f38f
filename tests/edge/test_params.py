"""Settings are typed, complete and without defaults; what is wrong is named before any work."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from stages.edge import params
from stages.edge.errors import SettingError
from stages.edge.files import lockfile
from tests.projects import copy_project, dvc

ROOT = Path(__file__).parents[2]


def document() -> dict[str, Any]:
    """The project's params.yaml, all three profiles of it."""
    found: dict[str, Any] = yaml.safe_load((ROOT / "params.yaml").read_text())
    return found


def write(folder: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    (folder / "params.yaml").write_text(text)
    monkeypatch.chdir(folder)
    params.content.cache_clear()


@pytest.fixture(autouse=True)
def forget() -> Any:
    yield
    params.content.cache_clear()


def load(folder: Path, monkeypatch: pytest.MonkeyPatch, **changes: object) -> params.Train:
    whole = document()
    whole["profiles"]["cpu"]["train"]["turbo"].update(changes)
    write(folder, monkeypatch, yaml.safe_dump(whole))
    return params.load(params.Train, "train.turbo")


def test_a_number_as_dvc_writes_it_is_a_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert yaml.safe_load("1e-04") == "1e-04", "PyYAML reads it as text"
    assert load(tmp_path, monkeypatch, learning_rate="1e-04").learning_rate == 1e-4


RULE = {"start": 4, "step": 2, "confidence": 0.95, "hopeless_share": 0.3, "until_right": None}
EXAM = {
    "num_samples": 4, "pass_k": 1, "answer_before_cut": True, "dtype": "float32", "reasoning_parser": None,
    "sampling": {
        "temperature": 1.0, "top_p": 1.0, "top_k": -1, "min_p": 0.0, "repetition_penalty": 1.0, "max_tokens": 32,
    },
}  # fmt: skip


@pytest.mark.parametrize("name", document()["profiles"])
def test_every_profile_of_the_project_is_whole(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, monkeypatch, yaml.safe_dump({**document(), "profile": name}))
    assert params.load(params.Report, "report").num_resamples > 0


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", document()["profiles"])
def test_dvc_resolves_every_stage_under_every_profile(name: str, tmp_path: Path) -> None:
    folder = copy_project(tmp_path / "project", lambda _: None)
    # --force: without it DVC looks for files that are not there yet, also when it would only show what it does.
    with dvc(folder, "exp", "run", "--dry", "--force", "--set-param", f"profile={name}") as process:
        said, _ = process.communicate(timeout=100)
    assert process.returncode == 0, said
    assert said.count("Running stage '") == len(lockfile.declared(folder))
    assert yaml.safe_load((folder / "params.yaml").read_text())["profile"] == "cpu" and not (folder / "models").exists()


def test_a_profile_can_be_loaded_that_is_not_the_chosen_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, monkeypatch, yaml.safe_dump(document()))
    assert (params.profile(), params.load_profile("reasonlite").train["final"].batch_size) == ("cpu", 512)
    only = {"gpu": document()["profiles"]["gpu"]}
    assert yaml.safe_load(params.text_with("gpu")) == {**document(), "profile": "gpu", "profiles": only}
    with pytest.raises(SettingError, match=r"'huge' is not one of the profiles \['cpu', 'gpu', 'reasonlite'\]"):
        params.load_profile("huge")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            lambda p: p["exam"]["protocol"].update(pass_k=5),
            "exam.protocol.pass_k: Input should be at most num_samples, 4",
        ),
        (
            lambda p: p["exam"]["protocol"].update(until={"ci_width": 0.1, "max_samples": 3}),
            "cpu.exam.protocol.until: max_samples should be at least num_samples, 4",
        ),
        (
            lambda p: p["exam"]["protocol"].update(until={"ci_width": 10, "max_samples": 64}),
            "exam.protocol.until.ci_width: Input should be less than 1 (found 10)",
        ),
        (
            lambda p: p["teach"]["medium"].update(max_tokens_when_cut_off=64),
            "cpu.teach.medium.max_tokens_when_cut_off: Input should be more than sampling.max_tokens (found 64)",
        ),
        (
            lambda p: (p["teach"].update(high=p["teach"]["medium"]), p["prompts"].update(high=p["prompts"]["medium"])),
            "teach.high and teach.medium are the same",
        ),
        (lambda p: p["teach"]["models"].append(p["teach"]["models"][0]), "each must have its own"),
        (lambda p: p["vote"].update(models=["nobody"]), "vote.models names ['nobody']; the labels of teach.models"),
        (lambda p: p["runtime"].update(concurrency="much"), "cpu.runtime.concurrency"),
        (lambda p: p["runtime"].update(endpoints={"teachers": []}), "cpu.runtime.endpoints.teachers"),
        (lambda p: p.update(vot={}), "cpu.vot: Extra inputs are not permitted"),
        (lambda p: p["teach"].update(low=3), "cpu.teach.low: Input should be a valid dictionary"),
        (lambda p: p["teach"]["high"].update(sample=3), "cpu.teach.high.sample: Extra inputs are not permitted"),
        (lambda p: p.pop("vote"), "cpu.vote: Field required"),
        (
            lambda p: p["curate"]["final"].update(mixture={"hihg": 1.0}),
            "curate.final.mixture names ['hihg']; the efforts of prompts are ['high', 'medium']",
        ),
        (lambda p: p["baselines"][0].update(efforts=["max"]), "baselines.0.efforts names ['max']"),
        (
            lambda p: p.update(examine=["teacher", "nobody"]),
            "examine names 'nobody', which is none of `baselines`; these are ['teacher'], and `all` of them",
        ),
        (lambda p: p["curate"]["turbo"].update(mixture={}), "curate.turbo.mixture is empty; name an effort"),
        (lambda p: p["baselines"].append(p["baselines"][0]), "baselines has the name 'teacher', which is another's"),
        (lambda p: p["baselines"][0].update(name="final"), "baselines has the name 'final', which is another's"),
        (lambda p: p["baselines"][0].update(name="all"), "baselines has the name 'all'"),
        (lambda p: p["baselines"][0].update(efforts=["high", "high"]), "Input should name each effort once"),
        (
            lambda p: p["exam"]["overrides"].update(teacher={"temperature": 0.2, "top_p": None, "max_tokens": None}),
            "a baseline is asked as the protocol says",
        ),
        (lambda p: p["teach"]["models"][0].update(extra_body={"seed": 1}), "extra_body: seed is set by the pipeline"),
        (lambda p: p["teach"]["models"][0].update(extra_body={"top_k": 1}), "extra_body: top_k is set by the pipeline"),
        (lambda p: p["teach"]["high"].update(num_samples=40_000), "Input should be less than or equal to 32767"),
        (
            lambda p: p["teach"]["high"].update(num_samples=4, adaptive={**RULE, "until_right": 5}),
            "adaptive.until_right 5 is more than num_samples 4",
        ),
        (
            lambda p: p["runtime"].update(budget={"max_total_tokens": None, "max_cost": None, "price": None}),
            "a budget needs max_total_tokens or max_cost; without a limit write budget: null",
        ),
        (
            lambda p: p["runtime"].update(budget={"max_total_tokens": None, "max_cost": 5, "price": None}),
            "max_cost needs a price of a million tokens",
        ),
        (
            lambda p: p["teach"]["high"].update(adaptive={**RULE, "start": 40_000}),
            "teach.high.adaptive.start: Input should be less than or equal to 32767",
        ),
        (
            lambda p: p["train"]["final"].update(checkpoint_exam={**EXAM, "num_samples": 40_000}),
            "train.final.checkpoint_exam.num_samples: Input should be less than or equal to 32767",
        ),
        (
            lambda p: (
                p["teach"]["high"]["sampling"].update(temperature=0),
                p["runtime"].update(samples_per_request=4),
            ),
            "teach.high has the temperature 0",
        ),
        (
            lambda p: p["train"]["final"].update(max_length=100),
            "curate.final.filters.max_tokens is 256, more than train.final.max_length, 100",
        ),
    ],
)
def test_any_stage_stops_at_what_would_stop_a_later_one(
    change: Callable[[dict[str, Any]], object], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = document()
    change(whole["profiles"]["cpu"])
    write(tmp_path, monkeypatch, yaml.safe_dump(whole))
    with pytest.raises(SettingError) as error:
        params.load(params.Base, "base")
    assert str(error.value).startswith("params.yaml: profiles.cpu") and told in str(error.value)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"learning_rat": 1}, "profiles.cpu.train.turbo.learning_rat: Extra inputs are not permitted"),
        ({"learning_rate": "fast"}, "profiles.cpu.train.turbo.learning_rate: Input should be a valid number"),
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


def told(folder: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[dict[str, Any]], object]) -> list[str]:
    """The faults that are told of the cpu profile after `change`."""
    whole = document()
    change(whole["profiles"]["cpu"])
    write(folder, monkeypatch, yaml.safe_dump(whole, sort_keys=False))
    with pytest.raises(SettingError) as error:
        params.load(params.Base, "base")
    return str(error.value).removeprefix("params.yaml: ").split("; ")


@pytest.mark.parametrize("named", [["all"], ["teacher"], [], ["all", "teacher"]])
def test_baselines_are_examined_by_name_or_all_of_them(
    named: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = document()
    whole["profiles"]["cpu"]["examine"] = named
    write(tmp_path, monkeypatch, yaml.safe_dump(whole))
    assert params.load(list[str], "examine") == named


def test_a_key_that_is_misspelt_is_named_before_the_one_that_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert told(tmp_path, monkeypatch, lambda p: p["vote"].update(min_shre=p["vote"].pop("min_share"))) == [
        "profiles.cpu.vote.min_shre: Extra inputs are not permitted (found 0.85): did you mean min_share? It may have "
        "policy, min_share, min_votes, credibility, models",
        "profiles.cpu.vote.min_share: Field required",
    ]


@pytest.mark.parametrize(
    ("change", "key", "names"),
    [
        (lambda p: p["symbolic"].update(foo=3), "symbolic.foo", "seconds, memory_gib"),
        (lambda p: p["collect"]["sources"][0].update(foo=3), "collect.sources.0.generated.foo", "kind, name, topic, split"),
        (lambda p: p["prompts"]["medium"]["examples"][5].update(foo=3), "prompts.medium.examples.5.foo", "topic, prompt, response"),
        (lambda p: p["exam"]["protocol"].update(until={"ci_width": 0.1, "max_samples": 64, "foo": 3}), "exam.protocol.until.foo", "ci_width, max_samples"),
        (lambda p: p["exam"]["overrides"]["turbo"].update(foo=3), "exam.overrides.turbo.foo", "temperature, top_p, max_tokens"),
    ],
)  # fmt: skip
def test_an_unknown_key_is_told_with_those_that_are_allowed_there(
    change: Callable[[dict[str, Any]], object], key: str, names: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert told(tmp_path, monkeypatch, change) == [
        f"profiles.cpu.{key}: Extra inputs are not permitted (found 3): It may have {names}"
    ]


def test_all_faults_are_told_at_once_up_to_eight_of_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def change(profile: dict[str, Any]) -> None:
        profile["vote"].update(min_votes="few")
        profile["train"]["final"].update(epochs=0)
        profile["zzz"] = "x" * 1000

    first, *rest = told(tmp_path, monkeypatch, change)
    assert first.startswith("profiles.cpu.zzz: Extra inputs") and len(first) < 300
    assert [each.partition(":")[0] for each in rest] == [
        "profiles.cpu.vote.min_votes",
        "profiles.cpu.train.final.epochs",
    ]
    every = told(tmp_path, monkeypatch, lambda p: p.clear())
    assert len(every) == 9 and every[-1] == "and 6 more"


@pytest.mark.parametrize("key", document()["profiles"]["cpu"]["train"]["turbo"])
def test_no_key_may_be_left_out(key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = document()
    del whole["profiles"]["cpu"]["train"]["turbo"][key]
    write(tmp_path, monkeypatch, yaml.safe_dump(whole))
    with pytest.raises(SettingError, match=f"profiles.cpu.train.turbo.{key}: Field required"):
        params.load(params.Base, "base")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("profile: p\nprofiles: {p: {}}\n", "profiles.p.base: Field required"),
        ("profile: q\nprofiles: {p: {}}\n", r"profile: 'q' is not one of \['p'\]"),
        ("profiles: {p: {}}\n", "profile: None is not one of"),
        ("- a list\n", "must be a mapping"),
        ("profile: p\nprofils: {p: {}}\n", "params.yaml: has no section `profiles`, only profile, profils"),
        ("profile: p\nprofiles:\n", "params.yaml: profiles: must be a mapping of profiles by name"),
        ("profile: [\n", "params.yaml: cannot be read as YAML .*line 2.*; mend it there"),
    ],
)
def test_a_broken_file_is_named(text: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, monkeypatch, text)
    with pytest.raises(SettingError, match=f"(?s){told}") as error:
        params.load(params.Train, "train")
    assert "project's root" not in str(error.value)


def test_without_the_file_it_is_said_where_stages_are_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    params.content.cache_clear()
    with pytest.raises(SettingError, match=r"params.yaml: cannot be read .*; run stages from the project's root"):
        params.load(params.Train, "train")


def test_settings_cannot_be_changed_by_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = load(tmp_path, monkeypatch)
    with pytest.raises(ValueError, match="frozen"):
        found.epochs = 2


def test_a_profile_that_is_no_name_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, monkeypatch, yaml.safe_dump({**document(), "profile": ["cpu"]}))
    with pytest.raises(SettingError, match=r"profile: \['cpu'\] is not one of"):
        params.profile()
