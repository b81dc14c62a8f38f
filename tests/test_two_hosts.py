"""Sampled on one host, trained on another, read on a third: outs by DVC and answers by the store, through a real S3 server.

The commands are those of the README's chapter "Several machines".
"""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from tests import small_pipeline
from tests.object_store import KEY, SECRET, ObjectStore, object_store
from tests.projects import ROOT, copy_project, environment
from tests.scripted_server import ScriptedServer
from tests.tiny_models import save_tiny_model

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

README = (ROOT / "README.md").read_text(encoding="utf-8")
NUM_PROBLEMS = 42
GIT_NAMES = {
    f"GIT_{role}_{what}": value
    for role in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "t"), ("EMAIL", "t@localhost"))
}
SAMPLED = {
    "base",
    "collect",
    *(f"{verb}@{effort}" for verb in ("teach", "read", "vote", "judge") for effort in ("medium", "high")),
}
CURATED = {"curate@turbo", "curate@final"}


class Team(NamedTuple):
    """Hosts that share a git repository and a bucket."""

    folder: Path
    bucket: ObjectStore
    output: str
    num_asked: int

    def clone(self, name: str, commit: str = "Sampled") -> Path:
        """A fresh clone at the commit with that message."""
        host = self.folder / name
        run(self.folder, f"git clone -q origin.git {name}")
        run(host, f"git reset -q --hard ':/^{commit}'")
        return host


def run(host: Path, command: str, fails: bool = False, **variables: Any) -> str:
    """A command line on a host; what it printed."""
    kept = {name: value for name, value in environment(**GIT_NAMES).items() if not name.startswith("AWS_")}
    site = {"DVC_SITE_CACHE_DIR": str(host.parent / f"site-{host.name}")}
    done = subprocess.run(
        ["bash", "-c", command], cwd=host, env={**kept, **site, **variables}, timeout=400,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    assert (done.returncode != 0) == fails, f"{command}:\n{done.stdout}"
    return done.stdout


def documented(host: Path, command: str, **variables: Any) -> str:
    """A command that stands in the README."""
    chapter = README.partition("\n## Several machines\n")[2].partition("\n## ")[0]
    lines = [line.partition("  #")[0].strip() for line in chapter.splitlines() if line.startswith("    ")]
    assert command in lines
    return run(host, command, **variables)


def ran(output: str) -> set[str]:
    """Stages that ran."""
    return set(re.findall(r"^Running stage '(.*)':$", output, re.MULTILINE))


def outs(host: Path) -> set[str]:
    """Outs of dvc.lock that are in the workspace."""
    stages = yaml.safe_load((host / "dvc.lock").read_text())["stages"].values()
    return {out["path"] for stage in stages for out in stage["outs"] if (host / out["path"]).exists()}


def cached(host: Path) -> set[str]:
    """Outs of dvc.lock whose content is in the host's cache."""
    stages = yaml.safe_load((host / "dvc.lock").read_text())["stages"].values()
    files = host / ".dvc/cache/files/md5"
    return {
        out["path"] for stage in stages for out in stage["outs"] if (files / out["md5"][:2] / out["md5"][2:]).exists()
    }


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    """Host A has sampled and pushed; its teacher is gone."""
    folder = tmp_path_factory.mktemp("team")
    model = save_tiny_model(folder / "model")
    host = copy_project(folder / "a", small_pipeline.settings(model))
    with object_store(folder / "s3") as bucket:
        run(folder, "git init -q --bare --initial-branch=main origin.git")
        run(host, "git branch -M main && git remote add origin ../origin.git && git push -qu origin main")
        documented(host, "dvc remote add -d team s3://bucket/outs")
        documented(host, "git add .dvc/config")
        documented(host, 'git commit -m "Remote"')
        with small_pipeline.server(host) as server:
            output = documented(host, "dvc repro excerpt", OPENAI_BASE_URL=server.url)
        documented(host, "dvc push", **bucket.environment)
        documented(host, "python -m stages.edge.store sync s3://bucket/answers", **bucket.environment)
        documented(host, "git add dvc.lock metrics")
        documented(host, 'git commit -m "Sampled"')
        documented(host, "git push")
        yield Team(folder, bucket, output, len(small_pipeline.asked(server.requests)))


@pytest.fixture(scope="module")
def trained(team: Team) -> tuple[Path, str, ScriptedServer, set[str]]:
    """Host B went on with what A pushed, and pushed in its turn."""
    host = team.clone("b")
    with small_pipeline.server(host, teacher=False) as server:
        variables = {**team.bucket.environment, "OPENAI_BASE_URL": server.url}
        output = documented(host, "dvc repro --pull --allow-missing", **variables)
    there = outs(host)
    documented(host, "dvc push", **team.bucket.environment)
    run(host, 'git add dvc.lock metrics && git commit -qm "Trained" && git push -q')
    return host, output, server, there


def test_the_first_host_asks_each_query_once_and_commits_no_secret(team: Team) -> None:
    assert ran(team.output) == SAMPLED | CURATED | {"excerpt@turbo", "excerpt@final"}
    assert team.num_asked == NUM_PROBLEMS * sum(small_pipeline.NUM_SAMPLES.values())
    told = run(team.folder / "a", "git log -p --all") + (team.folder / "a/.dvc/config").read_text()
    assert "s3://bucket/outs" in told
    assert SECRET not in told
    assert run(team.folder / "a", "git status --short") == ""


def test_another_host_trains_on_what_it_needs_alone_and_asks_the_teacher_nothing(
    trained: tuple[Path, str, ScriptedServer, set[str]],
) -> None:
    host, output, server, there = trained
    students = ("base", "turbo", "final")
    exams = {f"{verb}@{student}" for verb in ("exam", "mark") for student in students}
    gathered = {"gather_base", "gather@turbo", "gather@final"}
    made = {f"{verb}@{stage}" for verb in ("train", "choose") for stage in ("turbo", "final")}
    assert ran(output) == {*made, *exams, *gathered, "baselines", "mark@baselines", "report", "page"}
    assert small_pipeline.asked(server.requests) == []
    assert len(server.requests) == len(students) * small_pipeline.NUM_EXAM_PROBLEMS * 4
    needed = {"models/base", "data/benchmarks.parquet", "data/excerpts/turbo.parquet", "data/excerpts/final.parquet"}
    needed |= {f"data/{table}/{stage}" for table in ("sft", "held_out") for stage in ("turbo", "final")}
    big = {"data/problems.parquet", "data/duplicates.parquet", "data/contamination.parquet"}
    big |= {f"data/{table}/{effort}" for table in ("traces",) for effort in small_pipeline.EFFORTS}
    big |= {
        f"data/{table}/{effort}.parquet"
        for table in ("votes", "verdicts", "changed_labels")
        for effort in small_pipeline.EFFORTS
    }
    big |= {f"data/rejects/{stage}.parquet" for stage in ("turbo", "final")}
    for found in (there, cached(host)):
        assert needed <= found and not big & found


def test_a_laptop_reads_the_results_and_downloads_only_what_it_names(
    team: Team, trained: tuple[Path, str, ScriptedServer, set[str]]
) -> None:
    host = team.clone("c", "Trained")
    address = team.bucket.environment["AWS_ENDPOINT_URL"]
    for name, value in (("endpointurl", address), ("access_key_id", KEY), ("secret_access_key", SECRET)):
        line = rf"^    dvc remote modify --local team {name} \S+$"
        assert re.search(line, README, re.MULTILINE)
        run(host, f"dvc remote modify --local team {name} {value}")
    pulled = {"metrics/train_turbo.json", "metrics/train_final.json", "metrics/results.md", "data/scores.parquet"}
    documented(
        host, "dvc pull metrics/train_turbo.json metrics/train_final.json metrics/results.md data/scores.parquet"
    )
    assert (host / "metrics/results.md").read_text() == (trained[0] / "metrics/results.md").read_text()
    assert "metrics/train_final.json" in documented(host, "dvc metrics show")
    in_git = {path for path in outs(host) if path.startswith("metrics/")}
    assert outs(host) == in_git | {"data/scores.parquet"}
    assert cached(host) == pulled
    assert ".dvc/config.local" not in run(host, "git status --short --untracked-files=all")
    assert SECRET in (host / ".dvc/config.local").read_text()


@pytest.mark.parametrize("command", ["exp run", "repro"])
def test_a_changed_setting_fetches_what_its_stage_reads_and_runs_it_alone(command: str, team: Team) -> None:
    host = team.clone(command.replace(" ", "-"))
    if command == "repro":
        settings = yaml.safe_load((host / "params.yaml").read_text())
        settings["profiles"]["cpu"]["curate"]["turbo"]["max_per_problem"] = 1
        (host / "params.yaml").write_text(yaml.safe_dump(settings, sort_keys=False))
        output = run(host, "dvc repro --pull --allow-missing curate@turbo", **team.bucket.environment)
    else:
        setting = "-S profiles.cpu.curate.turbo.max_per_problem=1"
        output = run(host, f"dvc exp run --pull --allow-missing {setting} curate@turbo", **team.bucket.environment)
    assert ran(output) == {"curate@turbo"}
    assert {"data/traces/medium", "data/verdicts/medium.parquet", "data/sft/turbo"} <= outs(host)
    assert not {"data/traces/high", "data/sft/final", "data/benchmarks.parquet", "data/duplicates.parquet"} & outs(host)


def test_more_samples_on_another_host_ask_only_for_those_that_the_store_lacks(team: Team) -> None:
    host = team.clone("d")
    documented(host, "python -m stages.edge.store sync s3://bucket/answers --pull", **team.bucket.environment)
    with small_pipeline.server(host) as server:
        more = small_pipeline.NUM_SAMPLES["medium"] + 1
        command = f"dvc exp run --pull --allow-missing -S profiles.cpu.teach.medium.num_samples={more} teach@medium"
        output = run(host, command, OPENAI_BASE_URL=server.url, **team.bucket.environment)
    assert ran(output) == {"teach@medium"}
    assert len(small_pipeline.asked(server.requests)) == NUM_PROBLEMS
    documented(host, "python -m stages.edge.store sync s3://bucket/answers", **team.bucket.environment)
    segments = [path for path in (team.bucket.folder / "answers").rglob("*") if path.is_file()]
    assert len(segments) == 3, "those of two efforts, and the new one"


def test_without_the_two_flags_a_fresh_clone_would_ask_the_teacher_again(team: Team) -> None:
    host = team.clone("plain")
    with small_pipeline.server(host) as server:
        output = run(host, "dvc repro teach@medium", OPENAI_BASE_URL=server.url)
    assert ran(output) == {"base", "collect", "teach@medium"}
    assert len(small_pipeline.asked(server.requests)) == NUM_PROBLEMS * small_pipeline.NUM_SAMPLES["medium"]


def test_a_wrong_key_is_told_and_not_shown(team: Team) -> None:
    host = team.clone("e")
    variables = {**team.bucket.environment, "AWS_SECRET_ACCESS_KEY": "not-the-right-one"}
    told = run(host, "dvc pull models/base", fails=True, **variables)
    assert "Forbidden" in told or "403" in told or "SignatureDoesNotMatch" in told
    assert "not-the-right-one" not in told
    assert not (host / "models/base").exists()
