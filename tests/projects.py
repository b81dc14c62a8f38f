"""Whole projects for tests: a copy of this one as a git repository of its own, with settings changed."""

import copy
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
COPIED = (
    "params.yaml",
    "dvc.yaml",
    ".dvcignore",
    ".gitignore",
    "stages",
    ".dvc/config",
    ".dvc/.gitignore",
    "data/sources",
)


def link(document: dict[str, Any]) -> None:
    """Complete the names of the graph in a params.yaml whose stages, teachers or pools a test has changed."""
    document["efforts"] = {**document["teachers"], **document["pools"]}
    document["students"] = {"base": {}, **document["sft"]}
    document["marked"] = {"base": {}, "baselines": {}, **document["sft"]}


def pool(document: dict[str, Any], *stages: str) -> None:
    """A pool `both` of medium and high, from which some SFT stages learn."""
    document["pools"]["both"] = {"first": "medium", "second": "high"}
    for stage in stages:
        document["sft"][stage]["effort"] = "both"
    link(document)


def add_stage(document: dict[str, Any], name: str, **entry: str) -> None:
    """An SFT stage with the settings of `final`, at the end of the chain."""
    document["sft"][name] = entry
    document["last"] = name
    for profile in document["profiles"].values():
        profile["curate"][name] = copy.deepcopy(profile["curate"]["final"])
        profile["curate"][name]["mixture"] = dict.fromkeys(_members(document, entry["effort"]), 1.0)
        profile["train"][name] = copy.deepcopy(profile["train"]["final"])
        profile["exam"]["overrides"][name] = copy.deepcopy(profile["exam"]["overrides"]["base"])
    link(document)


def _members(document: dict[str, Any], effort: str) -> list[str]:
    return list(document["pools"][effort].values()) if effort in document["pools"] else [effort]


def add_own_effort(document: dict[str, Any], model: str) -> None:
    """An effort `own` that a student teaches, without examples."""
    document["teachers"]["own"] = {"model": model}
    for profile in document["profiles"].values():
        teacher = {**profile["teach"]["models"][0], "name": model, "label": model}
        profile["teach"]["own"] = {**copy.deepcopy(profile["teach"]["medium"]), "models": [teacher]}
        profile["prompts"]["own"] = {**profile["prompts"]["medium"], "examples": []}
    link(document)


def copy_project(folder: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """Copy what a run of the pipeline needs to `folder`, let `change` edit the settings of params.yaml, and commit."""
    for name in COPIED:
        source, target = ROOT / name, folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copyfile(source, target)
    params = yaml.safe_load((folder / "params.yaml").read_text())
    change(params)
    (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "start"]):
        subprocess.run(["git", "-c", "user.name=t", "-c", "user.email=t@localhost", *command], cwd=folder, check=True)
    return folder


def environment(**changes: str) -> dict[str, str]:
    """This process's environment for a command in such a project: our python first on PATH, no tracking, no server."""
    # trl lowers vLLM's log level when a test imports it; an engine that a user starts has the log of any engine.
    foreign = ("OPENAI_BASE_URL", "REASONLITE_STORE", "VLLM_LOGGING_LEVEL")
    kept = {key: value for key, value in os.environ.items() if key not in foreign}
    path = f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}"
    # A tiny model gains nothing by a second thread, which waits in a busy loop for the first.
    fixed = {"PATH": path, "DVC_NO_ANALYTICS": "1", "MLFLOW_TRACKING_URI": "off", "OMP_NUM_THREADS": "1"}
    return {**kept, **fixed, **changes}


def dvc(folder: Path, *arguments: str, **changes: str) -> "subprocess.Popen[str]":
    """Start `dvc` in the project; its output comes through one pipe."""
    return subprocess.Popen(
        [str(Path(sys.executable).with_name("dvc")), *arguments],
        cwd=folder,
        env=environment(**changes),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
