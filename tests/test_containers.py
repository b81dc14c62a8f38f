"""The container files: linted, on the pinned engine's images, without secrets, not as root; their packages are to be had."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from requirements import environment
from tests.projects import ROOT

FILES = sorted((ROOT / "containers").glob("*.Dockerfile"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
VLLM = next(each for each in map(Requirement, PROJECT["optional-dependencies"]["gpu"]) if each.name == "vllm")
every_file = pytest.mark.parametrize("file", FILES, ids=lambda path: path.stem)


def instructions(file: Path) -> list[tuple[str, str]]:
    """(FROM, RUN, ... , what stands behind it) of a container file, comments and line ends taken out."""
    lines = [line for line in file.read_text().splitlines() if not line.lstrip().startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    found = (line.partition(" ")[::2] for line in joined.splitlines() if line.strip())
    return [(name, " ".join(rest.split())) for name, rest in found]


def values(file: Path, name: str) -> list[str]:
    return [rest for each, rest in instructions(file) if each == name]


@every_file
def test_a_container_file_is_without_fault_by_hadolint(file: Path) -> None:
    checker = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([str(checker), str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_there_is_one_for_processors_one_for_cuda_and_one_for_rocm() -> None:
    version = next(iter(VLLM.specifier)).version
    assert {file.name.split(".")[0]: values(file, "FROM") for file in FILES} == {
        "cpu": ["python:3.11-slim"],
        "cuda": [f"vllm/vllm-openai:v{version}"],
        "rocm": [f"vllm/vllm-openai-rocm:v{version}"],
    }


@every_file
def test_a_container_runs_the_pipeline_and_not_as_root(file: Path) -> None:
    (user,) = values(file, "USER")
    assert user.isdigit() and int(user) > 0
    names = [name for name, _ in instructions(file)]
    assert names.index("USER") > max(place for place, name in enumerate(names) if name in ("RUN", "COPY"))
    assert values(file, "ENTRYPOINT") == ['["dvc"]'] and values(file, "CMD") == ['["repro"]']
    assert values(file, "WORKDIR")[-1] == "/project"


@every_file
def test_no_layer_can_hold_a_secret_or_data(file: Path) -> None:
    """The build sees what names the packages, and nothing else."""
    first, *others = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    assert first == "*"
    let_in = [line.removeprefix("!") for line in others if line.startswith("!")]
    assert let_in == ["pyproject.toml", "requirements"]
    copied = [rest.split()[:-1] for rest in values(file, "COPY")]
    assert all(source.split("/")[0] in let_in for sources in copied for source in sources)
    assert not values(file, "ADD") and not values(file, "ARG")
    said = " ".join(values(file, "ENV"))
    assert not re.search("KEY|TOKEN|SECRET|PASSWORD|CREDENTIAL", said, re.IGNORECASE)


def test_the_processors_container_is_installed_as_make_installs() -> None:
    made = re.search(r"\$\(PYTHON\) (requirements/environment.py install) \$\(BUILD\)", (ROOT / "Makefile").read_text())
    assert made
    assert f"python3 {made[1]} cpu" in values(ROOT / "containers/cpu.Dockerfile", "RUN")


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize("name", ["cuda", "rocm"])
def test_every_package_of_a_gpu_container_is_to_be_had(name: str, tmp_path: Path) -> None:
    """Its own RUN instruction, in an empty folder with an environment on top of none; packages are not downloaded."""
    file = ROOT / f"containers/{name}.Dockerfile"
    (run,) = [rest for rest in values(file, "RUN") if "venv" in rest]
    for *sources, target in (rest.split() for rest in values(file, "COPY")):
        for source in sources:
            where = tmp_path / target if target != "./" else tmp_path / Path(source).name
            where.symlink_to(ROOT / source)
    uv = Path(sys.executable).with_name("uv")
    dry = f"{uv} pip install --python .venv/bin/python --dry-run"
    tried, num_installs = re.subn(r"\.venv/bin/python -m pip install --no-cache-dir", dry, run)
    assert num_installs == 2
    env = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "NO_COLOR": "1"}
    done = subprocess.run(["bash", "-ec", tried], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=200)
    if re.search("Failed to fetch|error sending request|dns error|Connect", done.stderr):
        pytest.skip("no package index answers")
    assert done.returncode == 0, done.stderr
    would = {environment.name_of(line[3:]) for line in done.stderr.splitlines() if line.startswith(" + ")}
    wanted = environment.locked("gpu") if name == "cuda" else environment.shared()
    # An environment has a pip of its own, which may be the one that is wanted.
    assert wanted.keys() - would <= set(environment.INSTALLERS)
    assert os.access(tmp_path / ".venv/bin/vllm", os.X_OK)
