"""Rows that a person judges: drawn from a finished run, in the terminal and as a page."""

import io
import json
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
import yaml

from stages.core.problems import problems
from stages.core.tables.answers import VERDICTS, VERDICTS_KEY
from stages.core.tables.problems import PROBLEMS, PROBLEMS_KEY
from stages.core.tables.rejects import REJECTS
from stages.core.tables.sft import SFT, SFT_KEY
from stages.core.tables.traces import TRACES, TRACES_KEY
from stages.core.tables.votes import CHANGED, CHANGED_KEY, VOTES, VOTES_KEY
from stages.core.text.identity import problem_id
from stages.edge.files import tables
from stages.edge.results import reviewing
from tests.test_verbs import Ended, call

HOSTILE = "</script><script>window.hacked = 1</script><img src=x onerror=alert(1)> \x1b[2J\x07 \u202e\x00 & 'quotes' \""
NUM, CHANGED_FROM, HELD_OUT, WRONG = 30, 27, 2, 2
PROMPTS = [f"What is {number}+1?" for number in range(NUM)]
LOCKED = {
    "collect": ["data/problems.parquet"],
    "teach@medium": ["data/traces/medium"],
    "vote@medium": ["data/votes/medium.parquet", "data/changed_labels/medium.parquet"],
    "judge@medium": ["data/verdicts/medium.parquet"],
    "curate@turbo": ["data/sft/turbo", "data/held_out/turbo", "data/rejects/turbo.parquet"],
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run of thirty problems: the last three have labels by vote, two are held out, two rejects are wrong."""
    made = problems.problem_rows("mine", [{"prompt": prompt, "gold": str(n + 1)} for n, prompt in enumerate(PROMPTS)])
    tables.write(made, tmp_path / LOCKED["collect"][0], PROBLEMS, PROBLEMS_KEY)
    keys, traces, verdicts, votes, sft, changed = [], [], [], [], [], []
    for number, prompt in enumerate(PROMPTS):
        label, source = (str(number + 1), "gold") if number < CHANGED_FROM else ("0", "vote")
        key = {"model": "teacher", "effort": "medium", "problem_id": problem_id(prompt), "sample": 0}
        text = f"{HOSTILE if number == 0 else 'So it is'} \\boxed{{{label}}}."
        keys.append(key)
        traces.append({**key, "query_key": "k", "content": text, "status": "stop", "stopped": "fixed"})
        verdicts.append({**key, "answer": label, "extracted_by": "box", "verdict": "correct", "decided_by": "number"})
        votes.append({"problem_id": key["problem_id"], "label": label, "label_source": source})
        messages = [{"role": "user", "content": prompt}, {"role": "assistant", "content": text}]
        sft.append({**key, "messages": messages, "num_tokens": 3, "input_ids": [1, 2, 3], "num_prompt": 1})
        if source == "vote":
            histogram = [{"answer": "0", "votes": 4}]
            changed.append(
                {"problem_id": key["problem_id"], "gold": str(number + 1), "label": "0", "histogram": histogram}
            )
    rejects = [{**key, "reason": "held_out"} for key in keys[:HELD_OUT]]
    rejects += [{**key, "sample": 1, "reason": "incorrect"} for key in keys[:WRONG]]
    traces += [{**row, "sample": 1, "content": "\\boxed{99}"} for row in traces[:WRONG]]

    def write(rows: list[dict[str, object]], place: str, schema: pl.Schema, key: list[str]) -> None:
        tables.write(pl.DataFrame(rows, schema=schema), tmp_path / place, schema, key)

    write(traces, "data/traces/medium", TRACES, TRACES_KEY)
    write(verdicts, "data/verdicts/medium.parquet", VERDICTS, VERDICTS_KEY)
    write(votes, "data/votes/medium.parquet", VOTES, VOTES_KEY)
    write(changed, "data/changed_labels/medium.parquet", CHANGED, CHANGED_KEY)
    write(sft[HELD_OUT:], "data/sft/turbo", SFT, SFT_KEY)
    write(sft[:HELD_OUT], "data/held_out/turbo", SFT, SFT_KEY)
    write(rejects, "data/rejects/turbo.parquet", REJECTS, SFT_KEY)
    stages = {name: {"outs": [{"path": path, "md5": "m"} for path in outs]} for name, outs in LOCKED.items()}
    stages["curate@turbo"]["deps"] = [{"path": LOCKED["vote@medium"][0], "md5": "m"}]
    (tmp_path / "dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": stages}))
    return tmp_path


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """What the person types."""
    stream = io.StringIO()
    monkeypatch.setattr("sys.stdin", stream)
    yield stream


def review(folder: Path, *arguments: str, answers: str = "", stream: io.StringIO | None = None) -> Ended:
    if stream is not None:
        stream.seek(0)
        stream.truncate()
        stream.write("\n".join(answers) + ("\n" if answers else ""))
        stream.seek(0)
    return call(folder, "review", *arguments, "--output", "out.json", is_stage=False)


def test_each_row_is_asked_once_and_the_rare_kind_is_looked_at_whole(folder: Path, typed: io.StringIO) -> None:
    done = review(folder, "rows", "turbo", "--number", "10", answers="yyx", stream=typed)
    assert done.returncode == 0, done.stderr
    found = json.loads((folder / "out.json").read_text())
    assert found["num_reviewed"] == 2, "x is no opinion, and the input ended"
    # Those of labels by vote are wrong, and a person sees it.
    items = reviewing.drawn(folder, "rows", "turbo", 10, 42, ["source", "label_source"], None).items
    rest = ["n" if "vote" in item.stratum else "y" for item in items if item.id not in found["opinions"]]
    done = review(folder, "rows", "turbo", "--number", "10", answers="".join(rest), stream=typed)
    found = json.loads((folder / "out.json").read_text())
    assert found["num_rows"] == NUM - HELD_OUT, "what is held out is not learnt from"
    assert found["num_reviewed"] == 10 == len(found["opinions"])
    assert found["strata"]["mine, vote"] == {"num_rows": 3, "right": 0, "wrong": 3, "unsure": 0}
    assert found["error_rate"] == pytest.approx(3 / 28) and found["ci_low"] <= 3 / 28 < found["ci_high"]
    assert "10 of 10 rows are looked at, of 28 in all" in done.stdout and "wrong: 10.7 % [" in done.stdout


def test_labels_and_rejects_are_shown_with_what_speaks_for_them(folder: Path, typed: io.StringIO) -> None:
    shown = review(folder, "labels", "medium", answers="nnn", stream=typed).stdout
    assert "--- gold\n28\n" in shown and "--- new label\n0\n" in shown and "--- votes\n0 x4\n" in shown
    assert json.loads((folder / "out.json").read_text())["error_rate"] == 1
    (folder / "out.json").unlink()
    shown = review(folder, "rejects", "turbo", "--reason", "incorrect", answers="yu", stream=typed).stdout
    assert "--- answer\n\\boxed{99}\n" in shown and "--- reason\nincorrect\n" in shown
    found = json.loads((folder / "out.json").read_text())
    assert (found["title"], found["num_rows"]) == ("rejects of turbo rejected as incorrect", WRONG)
    assert found["error_rate"] == 0 and found["error_rate_if_unsure_is_wrong"] == 0.5


def test_no_text_of_a_model_reaches_the_terminal_or_the_page_as_anything_but_text(
    folder: Path, typed: io.StringIO
) -> None:
    shown = review(folder, "rejects", "turbo", "--reason", "held_out", answers="q", stream=typed).stdout
    shown += review(folder, "rejects", "turbo", "--reason", "held_out", answers="yy", stream=typed).stdout
    assert "\\x1b[2J" in shown and not set(shown) & {"\x1b", "\x07", "\x00", "\u202e"}
    done = review(folder, "rejects", "turbo", "--reason", "held_out", "--page", "page.html", stream=typed)
    assert done.returncode == 0, done.stderr
    text = (folder / "page.html").read_text()
    assert "<img" not in text and "window.hacked = 1&lt;/script&gt;" in text
    assert "default-src 'none'; script-src 'sha256-" in text.replace("&#39;", "'")
    assert text.count("<script") == 2


def test_what_the_page_gives_is_the_same_as_what_the_terminal_takes(folder: Path, typed: io.StringIO) -> None:
    review(folder, "rows", "turbo", "--number", "4", "--by", "decided_by", "--page", "page.html", stream=typed)
    page = (folder / "page.html").read_text()
    head = json.loads(page.partition('id="head">')[2].partition("</script>")[0])
    ids = [each.partition('"')[0] for each in page.split('data-id="')[1:]]
    (folder / "answers.json").write_text(json.dumps({**head, "opinions": dict.fromkeys(ids, "right")}))
    done = review(folder, "rows", "turbo", "--number", "4", "--by", "decided_by", "--answers", "answers.json")
    assert done.returncode == 0, done.stderr
    found = json.loads((folder / "out.json").read_text())
    assert set(found["opinions"]) == set(ids) and found["error_rate"] == 0 and found["strata"].keys() == {"number"}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("rows", "huge"), "curate@huge did not run"),
        (("rows", "turbo", "--by", "colour"), "strata of rows are made of source, topic"),
        (("rejects", "turbo", "--reason", "ugly"), "reasons are failed, truncated"),
        (("rejects", "turbo", "--reason", "meta"), "there is nothing to review"),
        (("rows", "turbo", "--answers", "none.json"), "none.json: is not there"),
        (("rows", "turbo", "--answers", "dvc.lock"), "dvc.lock: holds no review"),
        (("rows", "turbo", "--seed", "7"), "is a review with another seed"),
    ],
)
def test_what_cannot_be_reviewed_is_said(
    arguments: tuple[str, ...], sentence: str, folder: Path, typed: io.StringIO
) -> None:
    if "--seed" in arguments:
        review(folder, "rows", "turbo", answers="y", stream=typed)
    done = review(folder, *arguments, stream=typed)
    assert done.returncode == 1 and sentence in done.stderr
