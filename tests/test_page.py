"""The page of results in a real browser, from the file system: what is there, what can be done, and what is not obeyed."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from stages.core.tables.traces import TRACES, TRACES_KEY
from stages.edge.files import tables
from stages.edge.results import webpage
from tests.test_report import gather, report_of
from tests.test_verbs import (
    EXAM,
    HALF,
    HIGH,
    MEDIUM,
    PRODUCT,
    SUM,
    VERBS,
    Ended,
    call,
    trace,
    works,
    write_sources,
    write_traces,
)

pytestmark = pytest.mark.timeout(300)

HOSTILE = (
    "</script><script>window.hacked = 1</script><img src=x onerror='window.hacked = 2'>"
    "<iframe src='https://example.org'></iframe> $\\href{javascript:window.hacked=3}{click}$ "
    "$\\htmlData{x=1}{y}$ $\\frac{1}{2}$ and \\boxed{\\frac{3}{4}} cost $5 and $6"
)
REPORT = ("report", *report_of("final"))
EFFORTS = {"turbo": "medium", "final": "both"}


def excerpt(stage: str) -> tuple[str, ...]:
    effort = EFFORTS[stage]
    return (
        *("excerpt", "--problems", "data/problems.parquet", "--traces", f"data/traces/{effort}"),
        *("--verdicts", f"data/verdicts/{effort}.parquet", "--votes", f"data/votes/{effort}.parquet"),
        *("--rejects", f"data/rejects/{stage}.parquet", "--sft", f"data/sft/{stage}"),
        *("--output", f"data/excerpts/{stage}.parquet"),
    )


PAGE = (
    *("page", "--benchmarks", "data/benchmarks.parquet", "--gathered", "data/gathered/final"),
    *("--scores", "data/scores.parquet", "--eval", "metrics/eval.json", "--summary", "metrics/summary.json"),
    *("--budgets", "metrics/plots/budgets.csv", "--output", "metrics/report.html"),
)
NUM_TRACES = 49
"""20 at medium effort for `turbo`, these and 5 at high for `final`, 4 in the exam."""


def make(folder: Path, *verbs: tuple[str, ...]) -> None:
    """Excerpts, what is gathered, the report where it is among `verbs`, and the page."""
    for stage in EFFORTS:
        works(folder, *excerpt(stage))
    gather(folder, "base", *EFFORTS, efforts=EFFORTS)
    for verb in (*verbs, PAGE):
        works(folder, *verb)


def change(profile: dict[str, Any]) -> None:
    profile["exam"]["protocol"].update(num_samples=2, pass_k=1)
    profile["report"]["published"] = {"source": "https://example.org", "figures": {"base": {"fruit": [50.0, 75.0]}}}


def write_exam(folder: Path) -> None:
    given = {EXAM: [HOSTILE, "\\boxed{8}"], HALF: ["\\boxed{1.5}", "\\boxed{2}"]}
    rows = [
        {**trace("base", None, "fruit", prompt, sample), "content": content, "completion_tokens": 5 + sample}
        for prompt, contents in given.items()
        for sample, content in enumerate(contents)
    ]
    table = pl.DataFrame(rows, schema=TRACES)
    tables.write(table, folder / "data/exams/base", TRACES, TRACES_KEY)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with its page."""
    folder = tmp_path_factory.mktemp("page")
    write_sources(folder, change)
    write_traces(folder, "medium", MEDIUM)
    write_traces(folder, "high", HIGH)
    write_exam(folder)
    (folder / "data/train_log").mkdir()
    for stage in ("turbo", "final"):
        (folder / f"data/train_log/{stage}.csv").write_text("step,loss,held_out_loss\n1,2.5,\n2,1.5,1.7\n")
    for verb in VERBS:
        works(folder, *verb)
    make(folder, REPORT)
    return folder


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    found = shutil.which("chromium")
    if found is None:
        pytest.skip("chromium is not installed (Debian, Ubuntu: apt install chromium)")
    with sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield started
        started.close()


class Seen:
    """What a page did besides being there."""

    def __init__(self, page: Page) -> None:
        self.said: list[str] = []
        self.asked: list[str] = []
        page.on("console", lambda message: self.said.append(message.text))
        page.on("pageerror", lambda error: self.said.append(str(error)))
        page.on("request", lambda request: self.asked.append(request.url))


def opened(page: Page, path: Path) -> Seen:
    seen = Seen(page)
    page.goto(path.as_uri())
    page.wait_for_selector("html[data-ready]", timeout=60_000)
    return seen


@pytest.fixture
def page(browser: Browser, project: Path) -> Iterator[Page]:
    made = browser.new_page()
    opened(made, project / "metrics/report.html")
    yield made
    made.close()


def count(page: Page) -> str:
    return page.inner_text("#count")


def choose(page: Page, name: str, value: str) -> None:
    page.select_option(f"select[name={name}]", value)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_draws_all_charts_without_a_word_on_the_console_or_a_request_and_fits_its_width(
    browser: Browser, project: Path, width: int, scheme: Any
) -> None:
    page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    path = project / "metrics/report.html"
    seen = opened(page, path)
    charts = page.locator(".chart").count()
    assert charts == page.locator(".chart svg.marks").count() == 10
    assert seen.said == []
    assert seen.asked == [path.as_uri()]
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.close()


def test_the_table_shows_each_number_with_its_interval_beside_the_published_one(page: Page) -> None:
    cells = page.locator("#results tbody tr").first.locator("td").all_inner_texts()
    # Right are the second answer of the first problem and the first of the second.
    assert cells[0].startswith("50.0 [") and cells[0].endswith("/ 50.0")
    assert cells[-1] == "50.0 / 75.0"


def test_rows_that_were_left_out_stand_there_with_their_reasons(page: Page) -> None:
    tables = page.locator("#funnel table").all_inner_texts()
    assert len(tables) == 3
    assert "contaminated\t1" in tables[0]
    assert "truncated\t1" in tables[1] and "failed\t1" in tables[1]


def test_traces_are_filtered_by_stage_verdict_and_fate_and_found_by_their_words(page: Page) -> None:
    assert count(page) == f"{NUM_TRACES} of {NUM_TRACES} traces"
    choose(page, "part", "exam@base")
    assert count(page) == f"4 of {NUM_TRACES} traces"
    choose(page, "verdict", "correct")
    assert count(page) == f"2 of {NUM_TRACES} traces"
    choose(page, "part", "")
    choose(page, "verdict", "")
    choose(page, "fate", "turbo: truncated")
    assert count(page) == f"1 of {NUM_TRACES} traces"
    choose(page, "fate", "")
    page.fill("input[name=search]", SUM.upper())
    assert count(page) == f"9 of {NUM_TRACES} traces"
    page.fill("input[name=search]", "no problem has these words")
    assert count(page) == f"0 of {NUM_TRACES} traces"


def test_a_trace_is_read_with_its_label_its_verdict_and_its_fate(page: Page) -> None:
    page.fill("input[name=search]", PRODUCT)
    choose(page, "effort", "medium")
    page.click("#list tbody tr >> nth=0")
    page.wait_for_selector("#trace dl")
    facts = page.inner_text("#trace dl").split("\n")
    told = dict(zip(facts[::2], facts[1::2], strict=True))
    assert (told["gold"], told["answer"], told["verdict"], told["decided by"]) == ("56", "54", "correct", "number")
    assert told["label"] == "54 (from the vote)"
    assert told["fate"].startswith("turbo: ")
    assert "Thought 0." in page.inner_text("#trace")


def test_a_link_to_a_trace_opens_it(browser: Browser, project: Path, page: Page) -> None:
    page.click("#list tbody tr >> nth=2")
    page.wait_for_selector("#trace dl")
    again = browser.new_page()
    again.goto(page.url)
    again.wait_for_selector("#trace dl")
    assert again.inner_text("#trace") == page.inner_text("#trace")
    again.close()


def test_formulas_are_set_and_prices_are_left_alone(page: Page) -> None:
    choose(page, "part", "exam@base")
    page.fill("input[name=search]", "apple")
    page.click("#list tbody tr >> nth=0")
    page.wait_for_selector("#trace math mfrac")
    assert page.locator("#trace math mfrac").count() == 2  # 1/2 and the boxed 3/4
    assert "cost $5 and $6" in page.inner_text("#trace")


def test_a_hostile_trace_is_shown_as_text_and_does_nothing(browser: Browser, project: Path) -> None:
    page = browser.new_page()
    path = project / "metrics/report.html"
    seen = opened(page, path)
    choose(page, "part", "exam@base")
    page.fill("input[name=search]", "apple")
    page.click("#list tbody tr >> nth=0")
    page.wait_for_selector("#trace math")
    assert "<script>window.hacked = 1</script><img src=x onerror='window.hacked = 2'>" in page.inner_text("#trace")
    assert page.locator("#trace script, #trace img, #trace iframe, #trace a").count() == 0
    assert page.evaluate("window.hacked") is None
    assert (seen.said, seen.asked) == ([], [path.as_uri()])
    page.close()


def test_no_script_but_the_pages_own_would_run(page: Page) -> None:
    """The second wall: what is put into the page as a script or as an image is refused by its policy."""
    page.evaluate(
        "document.body.append(Object.assign(document.createElement('script'), {textContent: 'window.hacked = 1'}))"
    )
    assert page.evaluate("window.hacked") is None
    refused = page.evaluate(
        """() => new Promise((told) => {
            document.addEventListener("securitypolicyviolation", (event) => told(event.effectiveDirective));
            fetch("https://example.org").catch(() => {});
        })"""
    )
    assert refused == "connect-src"


def test_of_more_traces_than_asked_for_whole_problems_are_taken(project: Path, tmp_path: Path) -> None:
    folder = tmp_path / "project"
    shutil.copytree(project, folder)
    document = (folder / "params.yaml").read_text()
    (folder / "params.yaml").write_text(document.replace("num_traces: 10000", "num_traces: 12"))
    make(folder)
    rows = read_rows(folder / "metrics/report.html")
    columns = rows["columns"]
    sizes = {
        prompt: sum(1 for place in columns["problem"] if rows["problems"][place]["prompt"] == prompt)
        for prompt in [problem["prompt"] for problem in rows["problems"]]
    }
    assert 0 < sum(sizes.values()) < NUM_TRACES
    # `turbo` reads fewer traces, so more whole problems, than `final`, which reads those of both efforts.
    whole: dict[str, tuple[int, ...]] = {
        prompt: (len(given), 2 * len(given) + len(HIGH[prompt])) for prompt, given in MEDIUM.items()
    }
    whole |= {EXAM: (2,), HALF: (2,)}
    assert all(size in whole[prompt] for prompt, size in sizes.items())


def read_rows(path: Path) -> dict[str, Any]:
    import base64
    import gzip
    import re

    found = re.search(r'id="rows">([^<]*)</script>', path.read_text())
    assert found is not None
    rows: dict[str, Any] = json.loads(gzip.decompress(base64.b64decode(found[1])))
    return rows


def test_the_same_run_makes_the_same_page(project: Path) -> None:
    before = (project / "metrics/report.html").read_bytes()
    works(project, *PAGE)
    assert (project / "metrics/report.html").read_bytes() == before


def test_a_page_without_its_numbers_is_told_in_a_sentence(project: Path, tmp_path: Path) -> None:
    folder = tmp_path / "project"
    shutil.copytree(project, folder)
    (folder / "data/scores.parquet").unlink()
    done: Ended = call(folder, *PAGE)
    assert done.returncode == 1
    assert "data/scores.parquet: no table there; run `dvc repro` (or `dvc pull`) to make it" in done.stderr


def test_what_is_packed_holds_no_letter_of_html() -> None:
    packed = webpage.packed({"text": HOSTILE + "\u2028\ud800"})
    assert not set(packed) & set("<>&\"'")
