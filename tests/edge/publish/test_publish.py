"""The SFT sets as a data set that `datasets` loads, with a card made of the pipeline's numbers."""

import json
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from stages.core.curation import accounting, filtering
from stages.core.publishing import reviews
from stages.core.tables.rejects import REJECTS
from stages.core.tables.sft import SFT, SFT_KEY
from stages.edge.files import tables
from stages.edge.files.metrics import write_metrics
from stages.edge.publish import __main__ as publish
from tests.projects import copy_project
from tests.test_verbs import Ended, call

SETS = {"medium": 3, "high": 5}


def sft(effort: str, number: int) -> pl.DataFrame:
    rows = [
        (
            "teacher",
            effort,
            f"p{n}",
            0,
            [{"role": "user", "content": f"{n}?"}, {"role": "assistant", "content": "4"}],
            *(7, [1] * 7, 3),
        )
        for n in range(number)
    ]
    return pl.DataFrame(rows, schema=SFT, orient="row")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project with both sets, as a run leaves them."""
    folder = tmp_path / "project"
    copy_project(folder, lambda _: None)
    problems = pl.DataFrame(
        [(f"p{n}", "?", "one_step", 0.5, "4") for n in range(9)], schema=filtering.PROBLEMS_IN, orient="row"
    )
    for effort, number in SETS.items():
        tables.write(sft(effort, number), folder / f"data/sft/{effort}", SFT, SFT_KEY)
        keys = [("teacher", effort, f"p{n}", 0, "incorrect" if n >= number else None, 7, 0.5) for n in range(9)]
        decisions = pl.DataFrame(keys, schema=filtering.DECISIONS, orient="row")
        rejects = decisions.filter(pl.col("reason").is_not_null()).select(list(REJECTS))
        tables.write(rejects, folder / f"data/rejects/{effort}.parquet", REJECTS, SFT_KEY)
        counted = accounting.counted(decisions, problems)
        write_metrics(accounting.metrics(counted), folder / f"metrics/{effort}.json")
    collected = {
        "contaminated": {"exact": {"aime24": 2}},
        "by_source": {"one_step": {"num_rows": 80, "num_duplicates": 1, "num_contaminated": 2, "num_problems": 77}},
    }
    write_metrics(collected, folder / "metrics/collect.json")
    write_metrics({"revisions": {}}, folder / "metrics/sources.json")
    return folder


def run(folder: Path, *more: str) -> Ended:
    def each(path: str) -> list[str]:
        return [f"{effort}={path.format(effort)}" for effort in SETS]

    return call(
        folder, "edge.publish.__main__", "published", "--sft", *each("data/sft/{}"), "--rejects", *each("data/rejects/{}.parquet"),
        "--figures", *each("metrics/{}.json"), "--collected", "metrics/collect.json", "--provenance",
        "metrics/sources.json", *more,
    )  # fmt: skip


def test_the_folder_is_loaded_by_its_configurations(folder: Path) -> None:
    import datasets

    done = run(folder)
    assert done.returncode == 0, done.stderr
    for effort, number in SETS.items():
        loaded = datasets.load_dataset(
            str(folder / "published"), effort, split="train", cache_dir=str(folder / "cache")
        )
        assert loaded.num_rows == number
        assert loaded[0]["messages"] == [{"role": "user", "content": "0?"}, {"role": "assistant", "content": "4"}]
        assert set(loaded["effort"]) == {effort}
        rejects = pl.read_parquet(folder / f"published/evidence/rejects_{effort}.parquet")
        assert rejects.height == 9 - number


def test_the_card_tells_the_runs_own_numbers(folder: Path) -> None:
    assert run(folder).returncode == 0
    text = (folder / "published/README.md").read_text()
    front: dict[str, Any] = yaml.safe_load(text.split("---")[1])
    assert [each["config_name"] for each in front["configs"]] == ["medium", "high"]
    for line in (
        "| medium | 3 | 3 | 21 | 7 |",
        "| high | 5 | 5 | 35 | 7 |",
        "| one_step | generated | 80 | 1 | 2 | 77 |",
        "2 by `exact` against aime24",
        "| traces | 9 | 9 |",
        "| incorrect | -6 | -4 |",
        "| rows | 3 | 5 |",
    ):
        assert line in text
    assert "| truncated |" not in text, "a filter that took nothing is no news"


def test_the_card_cites_what_people_looked_at(folder: Path) -> None:
    sizes, opinions = {"gold": 90, "vote": 10}, {"a": ("gold", "right"), "b": ("vote", "wrong"), "c": ("vote", "right")}
    found = reviews.result({"title": "rows of <b>turbo</b>"}, sizes, opinions)
    (folder / "metrics/review.json").write_text(json.dumps(found))
    assert run(folder, "--reviews", "metrics/review.json").returncode == 0
    text = (folder / "published/README.md").read_text()
    assert "## Looked at by people" in text and "| 3 of 100 | 2 | 1 | 0 | 5.0 [" in text and "<b>" not in text
    shutil.rmtree(folder / "published")
    assert "by people" not in (run(folder) and (folder / "published/README.md").read_text())
    shutil.rmtree(folder / "published")
    done = run(folder, "--reviews", "metrics/medium.json")
    assert done.returncode == 1 and "is no review" in done.stderr


def test_a_folder_that_is_there_is_never_written_into(folder: Path) -> None:
    (folder / "published").mkdir()
    done = run(folder)
    assert done.returncode == 1 and "published: is there already" in done.stderr


@pytest.mark.parametrize("gone", ["metrics/collect.json", "data/sft/high", "metrics/high.json"])
def test_what_is_missing_is_told_and_nothing_is_written(gone: str, folder: Path) -> None:
    (folder / gone).rename(folder / "elsewhere")
    done = run(folder)
    assert done.returncode == 1 and gone in done.stderr, done.stderr
    assert not (folder / "published").exists()


def test_a_push_needs_a_token_and_sends_the_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    sent: dict[str, object] = {}

    class Hub:
        def __init__(self, token: str) -> None:
            sent["token"] = token

        def create_repo(self, name: str, **settings: object) -> None:
            sent["made"] = (name, settings["private"])

        def upload_folder(self, folder_path: Path, **_: object) -> str:
            sent["files"] = {str(path.relative_to(folder_path)) for path in folder_path.rglob("*") if path.is_file()}
            return "https://hub/me/set"

    monkeypatch.setattr(huggingface_hub, "HfApi", Hub)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    done = run(folder, "--push", "me/set")
    assert done.returncode == 1 and "HF_TOKEN is not set" in done.stderr
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setattr(publish, "_commit", lambda: "abc")
    assert not (folder / "published").exists(), "it is told before the work"
    done = run(folder, "--push", "me/set")
    assert done.returncode == 0, done.stderr
    assert "pushed to https://hub/me/set" in done.stdout and "hf_secret" not in done.stdout + done.stderr
    assert (sent["token"], sent["made"]) == ("hf_secret", ("me/set", True))
    assert {"README.md", "medium/part-0000.parquet", "evidence/rejects_high.parquet"} <= set(sent["files"])  # type: ignore[call-overload]
    assert json.loads((folder / "metrics/collect.json").read_text())["by_source"]
