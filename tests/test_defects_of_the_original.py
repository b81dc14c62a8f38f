"""Defects of AMD-AGI/ReasonLite's programs, each with what happens here instead."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from stages.core.answers import table as table_of_answers
from stages.core.answers.keys import canonical
from stages.core.answers.reading import answer_of
from stages.core.curation import filtering
from stages.core.formats import original
from stages.core.labelling import judging, voting
from stages.core.tables.sft import SFT_KEY
from stages.core.tables.traces import TRACES
from stages.core.tables.votes import LABELS
from tests.projects import ROOT
from tests.rules import curation

RULES = curation(max_per_problem=9)


def trace(content: str | None, status: str = "stop", **more: object) -> dict[str, object]:
    keys = {"model": "teacher", "effort": "medium", "benchmark": None, "problem_id": "p", "sample": 0}
    return {**keys, "content": content, "status": status, **more}


def judged(label: str | None, *rows: dict[str, object]) -> pl.DataFrame:
    table = pl.DataFrame([{**row, "sample": n} for n, row in enumerate(rows)], schema=table_of_answers.TRACES_IN)
    labels = pl.DataFrame([("p", label)], schema=LABELS, orient="row")
    prepared = judging.prepare(table_of_answers.read_answers(table), labels)
    return judging.verdicts(prepared, dict.fromkeys(judging.undecided(prepared), "different"))


def curated(*rows: dict[str, object], label: str = "4") -> list[str | None]:
    verdicts = judged(label, *rows)
    table = pl.DataFrame(
        [{"reasoning": None, **row, "sample": n} for n, row in enumerate(rows)], schema=filtering.TRACES_IN
    )
    joined = table.join(verdicts.select(*SFT_KEY, "answer", "verdict"), on=SFT_KEY).with_columns(
        prompt=pl.lit("2+2? Put it in \\boxed{}."), majority=pl.lit(None, pl.String)
    )  # fmt: skip
    decisions = filtering.decide(joined, RULES, lambda prompt: [{"role": "user", "content": prompt}], lambda _: 1)
    return decisions["reason"].to_list()


def test_an_answer_without_a_box_does_not_vote_for_the_prompts_own() -> None:
    """The prompt is echoed in front of the answer, and its last box is read."""
    assert answer_of("I cannot tell.") is None
    assert curated(trace("I cannot tell.")) == ["no_answer"]


@pytest.mark.parametrize("said", ["It is not true that it is 4, it is 5: \\boxed{5}", "true or false: \\boxed{5}"])
def test_a_verdict_is_no_substring(said: str) -> None:
    """A judge's text that holds the letters of "true" anywhere is a verdict for it."""
    assert judged("4", trace(said))["verdict"].to_list() == ["incorrect"]


def test_an_answer_that_was_not_judged_is_not_wrong() -> None:
    """A judge that failed leaves None, which is dropped as if it were an error of the row, and never asked again."""
    assert judged(None, trace("\\boxed{4}"))["verdict"].to_list() == ["no_label"]
    assert judged("4", trace(None, "failed"))["verdict"].to_list() == ["unscored"]
    assert curated(trace(None, "failed")) == ["failed"]


def test_votes_add_up_to_the_answers_that_were_given() -> None:
    """A language model counts the votes, and nobody checks its sum."""
    said = ["4", "4.0", "5", None, "4"]
    answers = pl.DataFrame(
        [("p", each, each and canonical(each), 1) for each in said], schema=voting.COUNTED, orient="row"
    )
    found = voting.vote(voting.tallies(answers)["p"], {})
    assert [(each.answer, each.votes) for each in found.classes] == [("4", 3), ("5", 1)]
    assert found.num_answered == 4


def test_an_answer_that_was_cut_off_is_told_from_a_whole_one() -> None:
    """What ran out of tokens looks like any other answer."""
    assert curated(trace("So \\boxed{4}", "length"), trace("So \\boxed{4}")) == ["truncated", None]
    assert (
        original.answer(original.parse_answer(row("<|channel|>analysis<|message|>So")), original.plain_turn("")).status
        == "length"
    )


def test_a_turn_of_any_number_of_parts_keeps_its_answer() -> None:
    """Only turns of exactly three parts are kept; a thought in two parts is a "format mismatch"."""
    raw = original.raw_turn("One.", "\\boxed{4}")
    assert original.plain_turn(raw) == ("One.", "\\boxed{4}", 0)
    assert original.plain_turn(f"<|channel|>analysis<|message|>Zero.<|end|><|start|>assistant{raw}") is None, "parsed"


def row(answer: str | None, index: str = "pol:0_3") -> dict[str, Any]:
    return {"info": {"expected_answer": "4"}, "index": index, "model_input": "m", "prompt": "2+2?", "answer": answer}


def test_an_id_may_hold_underscores() -> None:
    """Ids are cut at their first underscore, so that such problems are taken for sampled, or for others."""
    assert original.split_index("openmath_reasoning:12_3") == ("openmath_reasoning:12", 3)
    assert original.split_index("openmath_reasoning:12") == ("openmath_reasoning:12", 0)


def test_the_set_is_in_the_same_order_every_time() -> None:
    """The final set is shuffled without a seed."""
    rows = [trace("So \\boxed{4}", problem_id=f"p{n}") for n in range(20)]
    table = pl.DataFrame(
        [
            {"reasoning": None, "answer": "4", "verdict": "correct", "prompt": "?", "majority": None, **each}
            for each in rows
        ],
        schema={**filtering.TRACES_IN, **filtering.VERDICTS_IN, "prompt": pl.String(), "majority": pl.String()},
    )
    once, again = (
        filtering.decide(each, RULES, lambda _: [], lambda _: 1)
        for each in (table, table.sample(fraction=1, shuffle=True))
    )
    assert once.equals(again)


def test_neither_stage_can_overwrite_the_other() -> None:
    """Both configurations write into the same folder, and may overwrite it."""
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    assert "models/${key}" in stages["choose"]["do"]["outs"]
    assert set(yaml.safe_load((ROOT / "params.yaml").read_text())["sft"]) == {"turbo", "final"}


def test_a_stages_inputs_are_named_and_not_the_newest_folder() -> None:
    """Each program looks for the latest timestamp: nothing says which verdicts came from which answers."""
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    for name, stage in stages.items():
        command = stage.get("do", stage)["cmd"]
        assert "*" not in command and "glob" not in command, name


def test_every_trace_says_how_it_ended_and_what_it_cost() -> None:
    """Neither the reason why a turn ended nor its tokens are kept."""
    assert {"status", "reason", "prompt_tokens", "completion_tokens", "query_key"} <= set(TRACES)


def test_votes_in_several_files_are_all_read(tmp_path: Path) -> None:
    """Only the last file of votes is loaded, and the first problem of another one ends the run."""
    from stages.edge.reasonlite.importing import _Lines

    for run, (name, prompt) in enumerate([("0_2", "a?"), ("1_2", "b?"), ("0_1", "c?")]):
        path = tmp_path / f"vote/{run // 2}/{name}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"prompt": prompt, "vote": {"4": 1}}) + "\n")
    assert {vote[0] for _, vote in _Lines(tmp_path).rows("vote", original.vote)} == {"a?", "b?", "c?"}
