"""The page of results with ten thousand traces: how long until its list is there, and until a search finds something."""

import random
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from playwright.sync_api import Page

from stages.core.page import browser as traces
from stages.core.page.excerpt import EXCERPT
from stages.edge.results import webpage
from tests.browsers import chromium

pytestmark = pytest.mark.timeout(300)

NUM_PROBLEMS, NUM_SAMPLES, STUDENTS = 1250, 4, ("base", "turbo")
NUM_TRACES = NUM_PROBLEMS * NUM_SAMPLES * len(STUDENTS)
ROWS_PER_BLOCK = 100
WORDS_OF_A_TEXT = 400
NEEDLE = "the needle, in the very last text"
SLOW = 10
"""How many times longer than on a laptop a busy machine may take."""
SECONDS_TO_LIST, SECONDS_TO_FIND = 1.0 * SLOW, 0.3 * SLOW


def rows() -> pl.DataFrame:
    """Answers of two students to problems of one wording; the last text of all holds `NEEDLE`."""
    draw = random.Random(1)
    words = ["".join(draw.choices("abcdefghilmnoprstuvy", k=draw.randint(2, 9))) for _ in range(5000)]
    made = []
    for student in STUDENTS:
        for problem in range(NUM_PROBLEMS):
            for sample in range(NUM_SAMPLES):
                is_right = draw.random() < 0.5
                text = {
                    "reasoning": " ".join(draw.choices(words, k=WORDS_OF_A_TEXT)),
                    "content": f"So it is $\\boxed{{{problem if is_right else sample}}}$.",
                    "prompt": f"Maria has {problem} rows with {problem % 7} chairs in each. How many chairs does Maria have?",
                }
                key = {
                    "part": f"exam@{student}",
                    "model": student,
                    "benchmark": "exam",
                    "problem_id": f"p{problem:04d}",
                }
                verdict = {
                    "verdict": "correct" if is_right else "incorrect",
                    "status": "stop",
                    "set": "exam",
                    "sample": sample,
                }
                made.append({**key, **text, **verdict, "completion_tokens": draw.randint(200, 900)})
    made[-1]["reasoning"] = f"{made[-1]['reasoning']} {NEEDLE}"
    return pl.DataFrame([{**dict.fromkeys(EXCERPT), **row} for row in made], schema=EXCERPT)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page, without charts."""
    table = rows()
    texts: dict[str, object] = {name: [] for name in ("notes", "gains", "warnings", "tables", "prompts")}
    blocks = traces.texts(table, ROWS_PER_BLOCK)
    encoded = traces.encoded(table, ROWS_PER_BLOCK, STUDENTS)
    page = webpage.render({**texts, "title": "Large", "cells": [[]], "trace_note": ""}, [], encoded, blocks)
    path = tmp_path_factory.mktemp("large") / "report.html"
    path.write_text(page, encoding="utf-8")
    return path


@pytest.fixture
def page(large: Path) -> Iterator[Page]:
    with chromium() as started:
        made = started.new_page()
        made.goto(large.as_uri())
        made.wait_for_selector("html[data-ready]", timeout=60_000)
        yield made


SEARCH = """async ([words, isFound]) => {
    const field = document.querySelector("input[name=q]");
    const found = () => isFound === "hit" ? document.querySelector("#lines .hit") : document.documentElement.dataset.listed === words;
    const start = performance.now();
    field.value = words;
    field.dispatchEvent(new Event("input", {bubbles: true}));
    while (!found()) await new Promise((done) => setTimeout(done, 1));
    return (performance.now() - start) / 1000;
}"""


def test_the_list_is_there_and_words_are_found_while_a_reader_waits(page: Page) -> None:
    listed = page.evaluate("performance.getEntriesByName('listed')[0].startTime") / 1000
    assert page.inner_text("#count").startswith(
        f"{NUM_TRACES // NUM_SAMPLES:,} lines of {NUM_PROBLEMS:,} problems, {NUM_TRACES:,}"
    )
    assert page.locator("#lines > li").count() == 50
    first_hit = page.evaluate(SEARCH, ["so it is", "hit"])
    page.evaluate(SEARCH, ["", "end"])
    cold = page.evaluate(SEARCH, [NEEDLE, "end"])
    assert page.locator("#lines .hit mark").inner_text() == NEEDLE
    warm = page.evaluate(SEARCH, [NEEDLE.upper(), "end"])
    filtered = page.evaluate(
        """() => {
            const start = performance.now();
            const field = document.querySelector("select[name=sort]");
            field.value = "longest";
            field.dispatchEvent(new Event("input", {bubbles: true}));
            return (performance.now() - start) / 1000;
        }"""
    )
    print(
        f"list {listed:.2f} s, first hit {first_hit:.3f} s, last text {cold:.3f} s then {warm:.3f} s, sorted {filtered:.3f} s"
    )
    assert listed < SECONDS_TO_LIST
    assert first_hit < SECONDS_TO_FIND and warm < SECONDS_TO_FIND
    assert filtered < SECONDS_TO_FIND
