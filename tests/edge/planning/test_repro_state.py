"""What `dvc repro` would do, on a project of three stages that copy a file."""

import subprocess
import sys
from pathlib import Path

import pytest

from stages.edge.planning import repro_state
from tests.projects import environment

PARAMS = "profile: cpu\nword: {}\n"
STAGES = """
stages:
  first: {cmd: "python -m stages.first", deps: [stages/first.py], params: [word], outs: [one]}
  second: {cmd: cp one two, deps: [one], outs: [two]}
  third: {cmd: cp two three, deps: [two, stages/third.py], outs: [three]}
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)  # where DVC looks for what it restores
    (tmp_path / "stages").mkdir()
    (tmp_path / "stages/first.py").write_text("open('one', 'w').write(open('params.yaml').read())\n")
    (tmp_path / "stages/third.py").write_text("")
    (tmp_path / "dvc.yaml").write_text(STAGES)
    run(tmp_path, "git", "init", "-q")
    run(tmp_path, "dvc", "init", "-q")
    for word in ("new", "old"):
        (tmp_path / "params.yaml").write_text(PARAMS.format(word))
        run(tmp_path, "dvc", "repro", "-q")
    return tmp_path


def run(folder: Path, program: str, *arguments: str) -> None:
    command = [str(Path(sys.executable).with_name(program)) if program == "dvc" else program, *arguments]
    subprocess.run(command, cwd=folder, env=environment(), check=True, timeout=120)


def verdicts(project: Path, word: str) -> list[str]:
    stages = repro_state.stages(project, PARAMS.format(word))
    return [str(each.verdict) for each in stages.values()]


@pytest.mark.slow
def test_a_setting_that_is_changed_back_is_restored_to_the_last_stage(project: Path) -> None:
    assert verdicts(project, "old") == ["cached", "cached", "cached"]
    assert verdicts(project, "new") == ["restored", "restored", "restored"]
    assert verdicts(project, "never seen") == ["runs", "follows", "follows"]


@pytest.mark.slow
def test_what_an_out_from_the_cache_reaches_is_not_kept_for_its_code_alone(project: Path) -> None:
    (project / "stages/third.py").write_text("# an edit\n")
    third = repro_state.stages(project, PARAMS.format("old"))["third"]
    assert (str(third.verdict), third.can_be_accepted) == ("runs", True)
    third = repro_state.stages(project, PARAMS.format("new"))["third"]
    assert (str(third.verdict), third.can_be_accepted) == ("runs", False), "its input will be another"
