import contextlib
import hashlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from stages.edge import track
from stages.edge.files import lockfile, paths, state
from stages.edge.track import events

ROOT = Path(__file__).resolve().parents[3]
SECRET = "sk-never-write-this-down"
LOCK = """
schema: '2.0'
stages:
  collect:
    cmd: c
    params: {{params.yaml: {{profile: cpu, rate: 0.0001}}}}
    outs: [{{path: data/problems.parquet, hash: md5, md5: aaa, size: 1}}]
  teach@medium:
    cmd: t
    deps: [{{path: data/problems.parquet, hash: md5, md5: aaa, size: 1}}]
    outs: [{{path: data/traces/medium, hash: md5, md5: bbb.dir, size: 1, nfiles: 1}}]
  report:
    cmd: r
    deps: [{{path: data/traces/medium, hash: md5, md5: bbb.dir, size: 1}}]
    outs: [{{path: metrics/eval.json, hash: md5, md5: {md5}, size: 1}}]
"""


def project(folder: Path) -> Path:
    """A git repository with a pipeline of which `collect`, `teach@medium` and `report` ran."""
    folder.mkdir(parents=True)
    (folder / "dvc.yaml").write_text("stages: {}\n")
    (folder / "params.yaml").write_text("profile: cpu\nrate: 1e-04\n")
    (folder / "metrics").mkdir()
    content = json.dumps({"base": {"two_steps": {"avg_at_4": 0.25, "note": "text", "curve": [1, 2]}}, "num": 3})
    (folder / "metrics/eval.json").write_text(content)
    (folder / "dvc.lock").write_text(LOCK.format(md5=hashlib.md5(content.encode()).hexdigest()))
    identity = {f"GIT_{who}_{what}": "a@b" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "x"]):
        subprocess.run(["git", *command], cwd=folder, check=True, env={**os.environ, **identity})
    return folder


def python(code: str, folder: Path, wait: bool = True, **env: Any) -> "subprocess.Popen[str]":
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW", "DVC", "RANK"))}
    command = [sys.executable, "-c", textwrap.dedent(code)] if code else [sys.executable, "-m", "stages.edge.track"]
    process = subprocess.Popen(
        command,
        cwd=folder,
        env={**inherited, "PYTHONPATH": str(ROOT), "OPENAI_API_KEY": SECRET, **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    if wait:
        process.wait(timeout=60)
    return process


def sync(folder: Path, **env: Any) -> str:
    process = python("", folder, **env)
    out, err = process.communicate()
    assert process.returncode == 0, err
    return out + err


class Stored:
    """What an MLflow database holds, read without MLflow."""

    def __init__(self, database: Path) -> None:
        with contextlib.closing(sqlite3.connect(database)) as connection:
            self.runs = {
                run: (name, status)
                for run, name, status in connection.execute("select run_uuid, name, status from runs")
            }
            self.tags, self.params = (
                {
                    (run, key): value
                    for run, key, value in connection.execute(f"select run_uuid, key, value from {table}")
                }
                for table in ("tags", "params")
            )
            self.metrics = sorted(
                connection.execute("select r.name, m.key, m.value, m.step from metrics m join runs r using (run_uuid)")
            )
            self.text = "\n".join(connection.iterdump())
        self.parents = {run for run, key in self.tags if key == "pipeline.key"}

    def status(self, name: str) -> list[str]:
        return [status for found, status in self.runs.values() if found == name]

    def one(self, name: str) -> str:
        (run,) = (run for run, (found, _) in self.runs.items() if found == name)
        return run

    def tags_of(self, name: str) -> dict[str, str]:
        return {key: value for (run, key), value in self.tags.items() if run == self.one(name)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return project(tmp_path_factory.mktemp("store") / "project")


@pytest.fixture(scope="module")
def ended(folder: Path) -> Stored:
    """Four stages at once, on a store that none of them finds made: each leaves in its own way."""
    code = """
        import signal, sys
        from stages.edge import track
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        sys.argv += ["--problems", "data/problems.parquet", "--traces", "data/traces"]
        long = "x" * 10_000
        settings = {"rate": 1e-4, "model": {"name": "m", "none": None}, "long": long, "key": "SECRET"}
        with track.stage("given", settings) as run:
            run.metrics({"teacher": {"loss": 0.5}, "nan": float("nan"), "text": "1"}, step=7)
            run.tags({"identity": "abc", "url": "http://user:pass@host/x", "token": "SECRET"})
            run.artifact(__import__("pathlib").Path("params.yaml"))
            LEAVE
    """.replace("SECRET", SECRET)
    ways = {
        "finishes": "pass",
        "fails": "raise OSError('disk')",
        "terminated": "import os; os.kill(os.getpid(), signal.SIGTERM); import time; time.sleep(9)",
        "killed": "import os; os.kill(os.getpid(), signal.SIGKILL)",
    }
    env = {"finishes": {}, "fails": {"DVC_EXP_NAME": "it's", "DVC_EXP_BASELINE_REV": "f00"}}
    running = {
        name: python(code.replace("LEAVE", way), folder, wait=False, DVC_STAGE=name, **env.get(name, {}))
        for name, way in ways.items()
    }
    said = {name: process.communicate(timeout=60)[1] for name, process in running.items()}
    codes = {name: process.returncode for name, process in running.items()}
    assert codes == {"finishes": 0, "fails": 1, "terminated": 143, "killed": -signal.SIGKILL}, said
    assert "warning" not in "".join(said.values())
    deadline = time.monotonic() + 30
    while Stored(folder / "mlflow.db").status("killed") in ([], ["RUNNING"]) and time.monotonic() < deadline:
        time.sleep(0.1)
    return Stored(folder / "mlflow.db")


def test_a_run_ends_as_its_stage_did_even_when_that_was_killed(ended: Stored) -> None:
    found = {name: ended.status(name) for name in ("finishes", "fails", "terminated", "killed")}
    assert found == {"finishes": ["FINISHED"], "fails": ["FAILED"], "terminated": ["KILLED"], "killed": ["KILLED"]}


def test_stages_of_one_state_share_a_parent_and_an_experiment_has_its_own(ended: Stored) -> None:
    parents = {
        name: ended.tags_of(name)["mlflow.parentRunId"] for name in ("finishes", "terminated", "killed", "fails")
    }
    assert parents["finishes"] == parents["terminated"] == parents["killed"] != parents["fails"]
    assert ended.parents == set(parents.values())


def test_a_run_is_tied_to_dvc_and_git(ended: Stored) -> None:
    tags, of_experiment = ended.tags_of("finishes"), ended.tags_of("fails")
    assert tags["dvc.stage"] == "finishes"
    assert tags["dvc.dep.data/problems.parquet"] == "aaa"
    assert tags["dvc.dep.data/traces/medium"] == "bbb.dir"
    assert "dvc.dep.metrics/eval.json" not in tags
    assert (tags["dvc.exp_name"], tags["profile"], tags["identity"]) == ("workspace", "cpu", "abc")
    assert (of_experiment["dvc.exp_name"], of_experiment["dvc.exp_baseline"]) == ("it's", "f00")


def test_params_are_flat_and_a_cut_shows(ended: Stored) -> None:
    run = ended.one("finishes")
    assert (ended.params[run, "rate"], ended.params[run, "model.name"]) == ("0.0001", "m")
    assert ended.params[run, "model.none"] == "null"
    assert len(ended.params[run, "long"]) == 6000
    assert ended.params[run, "long"].endswith("x ... [cut]")


def test_metrics_are_flat_finite_numbers_at_their_step(ended: Stored) -> None:
    assert [m for m in ended.metrics if m[0] == "finishes"] == [("finishes", "teacher/loss", 0.5, 7)]


@pytest.mark.parametrize(("switch", "awaited"), [("true", "system/cpu_utilization_percentage"), ("false", "loss")])
def test_the_machine_is_watched_while_a_stage_runs(switch: str, awaited: str, tmp_path: Path) -> None:
    folder = project(tmp_path / "project")
    code = f"""
        import contextlib, sqlite3, time
        from stages.edge import track

        def known():
            with contextlib.suppress(sqlite3.Error), sqlite3.connect("file:mlflow.db?mode=ro", uri=True) as database:
                return {{name for name, in database.execute("select distinct key from metrics")}}
            return set()

        with track.stage("given", {{}}) as run:
            run.metrics({{"loss": 1.0}})
            deadline = time.monotonic() + 50
            while {awaited!r} not in known() and time.monotonic() < deadline:
                time.sleep(0.1)
    """
    env: dict[str, Any] = {
        "MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL": "0.2",
        "MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING": switch,
    }
    assert python(code, folder, **env).returncode == 0
    found = {name for _, name, _, _ in Stored(folder / "mlflow.db").metrics}
    wanted = {"system/cpu_utilization_percentage", "system/system_memory_usage_percentage"}
    assert wanted <= found if switch == "true" else found == {"loss"}


def test_artifacts_lie_beside_the_store(ended: Stored, folder: Path) -> None:
    assert list((folder / "mlruns").glob(f"*/{ended.one('finishes')}/artifacts/params.yaml"))


def test_no_secret_is_written(ended: Stored) -> None:
    assert SECRET not in ended.text
    assert "user:pass" not in ended.text
    assert ended.tags_of("finishes")["token"] == "***"


def test_sync_closes_what_nobody_else_can_and_settles_once(ended: Stored, folder: Path) -> None:
    code = """
        import os, signal, time
        from stages.edge import track
        with track.stage("orphan", {}) as run:
            print(run._recorder.pid, flush=True)
            time.sleep(60)
    """
    process = python(code, folder, wait=False)
    assert process.stdout is not None
    recorder = int(process.stdout.readline())
    while "RUNNING" not in Stored(folder / "mlflow.db").status("orphan"):
        time.sleep(0.1)
    for pid in (recorder, process.pid):
        os.kill(pid, signal.SIGKILL)
    process.communicate()
    assert Stored(folder / "mlflow.db").status("orphan") == ["RUNNING"]

    said = sync(folder)
    first = Stored(folder / "mlflow.db")
    assert "2 metrics, 2 settings, 3 outs, closed 1 runs" in said
    assert f"mlflow ui --backend-store-uri sqlite:///{folder}/mlflow.db" in said
    assert first.status("orphan") == ["KILLED"]
    parent = first.tags_of("finishes")["mlflow.parentRunId"]
    assert first.runs[parent][1] == "FINISHED"
    assert [m[1:3] for m in first.metrics if m[0] == first.runs[parent][0]] == [
        ("eval/base/two_steps/avg_at_4", 0.25),
        ("eval/num", 3.0),
        ("two_steps/base", 25.0),
    ]
    assert (first.params[parent, "profile"], first.tags[parent, "changed"]) == ("cpu", "as committed")
    assert first.tags[parent, "dvc.out.data/traces/medium"] == "bbb.dir"
    digest = hashlib.sha256((folder / "dvc.lock").read_bytes()).hexdigest()
    assert first.tags[parent, "dvc.lock.sha256"] == digest
    kept = {path.name for path in folder.glob(f"mlruns/*/{parent}/artifacts/*")}
    assert kept == {"dvc.lock", "params.yaml"}

    sync(folder)
    assert Stored(folder / "mlflow.db").text == first.text


def test_a_server_that_is_down_costs_one_line(folder: Path) -> None:
    code = "from stages.edge import track\nwith track.stage('s', {}) as run: run.metrics({'a': 1})\nprint('worked')"
    address = "http://me:hunter2@127.0.0.1:9"
    running = [python(each, folder, wait=False, MLFLOW_TRACKING_URI=address) for each in (code, "")]
    for process in running:
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0
        # On a busy machine one may wait for the other's claim, and says so.
        (warning,) = (line for line in err.splitlines() if not line.startswith("waiting for another process"))
        assert warning.startswith("warning: tracking: MlflowException")
        assert "hunter2" not in err
        assert out in ("worked\n", "")


@pytest.mark.parametrize("off", ["off", "OFF", "", " "])
def test_off_starts_nothing_and_imports_no_mlflow(off: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", off)
    monkeypatch.setattr(subprocess, "Popen", lambda *a, **k: pytest.fail("started a process"))
    with track.stage("s", {"a": object()}) as run:
        run.metrics({"a": 1.0})
        run.tags({"a": 1})
        run.artifact(Path("nothing"))


def test_a_stage_never_imports_mlflow(tmp_path: Path) -> None:
    code = """
        import sys
        from stages.edge import track
        with track.stage("s", {}) as run:
            run.metrics({"a": 1})
        print([name for name in sys.modules if "mlflow" in name])
    """
    process = python(code, tmp_path, MLFLOW_TRACKING_URI="off")
    assert process.communicate() == ("[]\n", "")
    assert list(tmp_path.iterdir()) == []
    assert "off" in sync(tmp_path, MLFLOW_TRACKING_URI="off")


def test_only_the_first_of_several_training_processes_is_tracked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setattr(subprocess, "Popen", lambda *a, **k: pytest.fail("started a process"))
    with track.stage("s", {}) as run:
        run.metrics({"a": 1})


@pytest.mark.parametrize(
    ("name", "logged"),
    [("pass@1", ["pass_1"]), ("", []), ("a\n", ["a_"]), ("one step, easy (v2)", ["one step_ easy _v2_"])],
)
def test_a_source_or_an_exam_may_be_called_anything_and_no_name_of_theirs_stops_a_stage(
    name: str, logged: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = track.Run(None)
    sent: list[dict[str, object]] = []
    monkeypatch.setattr(run, "_send", lambda kind, values, step=0: sent.append(values))
    run.metrics({name: 1.0})
    assert [list(values) for values in sent] == [logged]


def test_a_recorder_that_dies_is_one_line_and_blocks_nothing(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/x.db")
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with track.stage("s", {}) as run:
        for step in range(2000):
            run.metrics({"a" * 200: 1.0}, step)
    run.metrics({"late": 1.0})
    monkeypatch.setattr(sys, "executable", "/no/such/file")
    with track.stage("s", {}):
        pass
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == 2
    assert all(line.startswith("warning: tracking: ") for line in lines)


def test_threads_share_the_pipe(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fake = tmp_path / "recorder"
    fake.write_text(f"#!/bin/sh\ncat > {tmp_path}/lines\n")
    fake.chmod(0o755)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setattr(sys, "executable", str(fake))
    with track.stage("s", {}) as run, ThreadPoolExecutor(8) as pool:
        for step in range(500):
            pool.submit(run.metrics, {"a" * 200: 1.0}, step)
    seen = [events.Event(*json.loads(line)) for line in (tmp_path / "lines").read_text().splitlines()]
    assert sorted(event.step for event in seen if event.kind == "metrics") == list(range(500))
    assert seen[-1].values == {"status": "FINISHED"}


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        (None, "sqlite:///{root}/mlflow.db"),
        ("sqlite:///x/y.db", "sqlite:///{root}/x/y.db"),
        ("sqlite:////abs/y.db", "sqlite:////abs/y.db"),
        ("http://host:5000", "http://host:5000"),
        ("postgresql://host/db", "postgresql://host/db"),
    ],
)
def test_runs_of_a_temporary_workspace_go_to_the_main_checkout(
    named: str | None, expected: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    workspace = tmp_path / ".dvc/tmp/exps/standalone/abc"
    workspace.mkdir(parents=True)
    for where in (tmp_path, workspace):
        monkeypatch.chdir(where)
        assert paths.project_root(where) == tmp_path
        monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
        if named is not None:
            monkeypatch.setenv("MLFLOW_TRACKING_URI", named)
        assert track.destination() == expected.format(root=tmp_path)


@pytest.fixture
def changed(tmp_path: Path) -> Iterator[Path]:
    yield project(tmp_path / "changed")


def test_a_stage_is_stale_after_a_change_of_params_and_so_is_what_follows(changed: Path) -> None:
    stages = lockfile.read(changed)
    assert lockfile.stale(stages, changed) == set()
    (changed / "params.yaml").write_text("profile: cpu\nrate: 2e-04\n")
    assert lockfile.stale(stages, changed) == {"collect", "teach@medium", "report"}


def test_a_stage_is_stale_after_its_input_was_made_anew(changed: Path) -> None:
    text = (changed / "dvc.lock").read_text()
    (changed / "dvc.lock").write_text(
        text.replace(
            "outs: [{path: data/traces/medium, hash: md5, md5: bbb",
            "outs: [{path: data/traces/medium, hash: md5, md5: ccc",
        )
    )
    assert lockfile.stale(lockfile.read(changed), changed) == {"report"}


def test_a_state_is_dirty_by_what_people_write_not_by_what_the_pipeline_writes(changed: Path) -> None:
    before = state.current(changed)
    (changed / "metrics/eval.json").write_text("{}")
    (changed / "dvc.lock").write_text((changed / "dvc.lock").read_text() + "\n")
    assert not state.current(changed).dirty
    (changed / "dvc.yaml").write_text("stages: {a: 1}\n")
    after = state.current(changed)
    assert after.dirty
    assert (after.commit, after.key != before.key) == (before.commit, True)


def test_a_folder_without_git_dvc_or_params_has_a_state(tmp_path: Path) -> None:
    assert state.current(tmp_path)[:4] == ("none", False, "workspace", "")
    assert lockfile.read(tmp_path) == {}
