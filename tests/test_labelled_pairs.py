"""The labelled pairs in tests/data: whole, and each from a source whose licence is written beside it."""

import json
import re
from collections import Counter

import pytest

from tests.projects import ROOT

DATA = ROOT / "tests/data"
README = (DATA / "README.md").read_text(encoding="utf-8")


def pairs(name: str) -> list[dict[str, object]]:
    text = (DATA / f"equivalence/{name}.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.split("\n") if line]


@pytest.mark.parametrize(("name", "number"), [("cases", 577), ("reports", 877)])
def test_each_pair_is_labelled_and_has_a_source_and_a_kind(name: str, number: int) -> None:
    found = pairs(name)
    assert len(found) == number and f"`equivalence/{name}.jsonl` | {number} |" in README
    assert all(isinstance(row["equal"], bool) and row["source"] and row["kind"] for row in found)
    assert all(isinstance(row[side], str | None) for row in found for side in ("gold", "pred"))


def test_the_licence_of_each_other_project_stands_in_the_readme_with_the_number_of_its_pairs() -> None:
    sources = Counter(re.split(r"[:#]", str(row["source"]))[0] for row in pairs("cases"))
    sources.pop("own")
    sources["MARIO-Math-Reasoning/MARIO_EVAL"] = sources.pop("MARIO_EVAL")
    licensed = re.findall(r"^\| \[([^]]+)\]\([^)]*\)[^|]*\| (\d+) \| (MIT|Apache-2\.0)", README, re.MULTILINE)
    assert {name: int(number) for name, number, _ in licensed} == sources
