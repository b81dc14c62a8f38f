"""The page of results in a real browser, from the file system: what is there, what can be done, and what is not obeyed."""

import base64
import gzip
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from playwright.sync_api import Browser, Locator, Page

from stages.core.tables.traces import TRACES, TRACES_KEY
from stages.edge.files import tables
from stages.edge.results import webpage
from tests.browsers import chromium, opened
from tests.test_report import gather, report_of
from tests.test_verbs import (
    EXAM,
    HALF,
    HIGH,
    MEDIUM,
    PRODUCT,
    PROOF,
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
MARK_TURBO = (
    *("mark", "--traces", "data/exams/turbo", "--benchmarks", "data/benchmarks.parquet"),
    *("--output", "data/marks/turbo.parquet"),
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
NUM_TRACES = 53
"""20 at medium effort for `turbo`, these and 5 at high in the pool for `final`, 4 of each of two students in the exam."""
ALL = (19, 7, NUM_TRACES)
"""Lines, problems and traces: of the exam 2 problems and 2 students; of the others 5 problems, once and twice in the
pool."""
EXAM_ANSWERS = {
    "base": {EXAM: [HOSTILE, "\\boxed{8}"], HALF: ["\\boxed{1.5}", "\\boxed{2}"]},  # one of two right, twice
    "turbo": {EXAM: ["\\boxed{8}", "\\boxed{8}"], HALF: ["\\boxed{2}", "\\boxed{2}"]},
}


def change(profile: dict[str, Any]) -> None:
    profile["exam"]["protocol"].update(num_samples=2, pass_k=1)
    profile["report"]["published"] = {"source": "https://example.org", "figures": {"base": {"fruit": [50.0, 75.0]}}}
    profile["prompts"]["high"]["system"] = "You teach <b>arithmetic</b>."


def write_exam(folder: Path, student: str) -> None:
    rows = [
        {
            **trace(student, None, "fruit", prompt, sample),
            "content": content,
            "completion_tokens": 5 + sample + len(prompt),
        }
        for prompt, contents in EXAM_ANSWERS[student].items()
        for sample, content in enumerate(contents)
    ]
    table = pl.DataFrame(rows, schema=TRACES)
    tables.write(table, folder / "data/exams" / student, TRACES, TRACES_KEY)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with its page."""
    folder = tmp_path_factory.mktemp("page")
    write_sources(folder, change)
    write_traces(folder, "medium", MEDIUM)
    write_traces(folder, "high", HIGH)
    for student in EXAM_ANSWERS:
        write_exam(folder, student)
    (folder / "data/train_log").mkdir()
    for stage in ("turbo", "final"):
        (folder / f"data/train_log/{stage}.csv").write_text("step,loss,held_out_loss\n1,2.5,\n2,1.5,1.7\n")
    for verb in (*VERBS, MARK_TURBO):
        works(folder, *verb)
    make(folder, REPORT)
    return folder


def make(folder: Path, *verbs: tuple[str, ...]) -> None:
    """Excerpts, what is gathered, the report where it is among `verbs`, and the page."""
    for stage in EFFORTS:
        works(folder, *excerpt(stage))
    gather(folder, "base", *EFFORTS, efforts=EFFORTS)
    for verb in (*verbs, PAGE):
        works(folder, *verb)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture
def page(browser: Browser, project: Path) -> Iterator[Page]:
    made = browser.new_page()
    opened(made, project / "metrics/report.html")
    yield made
    made.close()


def count(page: Page) -> tuple[int, ...]:
    """Lines, their problems and their traces that the list has."""
    found = re.fullmatch(rf"(\d+) lines? of (\d+) problems?, (\d+) of {NUM_TRACES} traces", page.inner_text("#count"))
    assert found is not None, page.inner_text("#count")
    return tuple(map(int, found.groups()))


def choose(page: Page, **values: str) -> None:
    for name, value in values.items():
        page.select_option(f"select[name={name}]", value)


def search(page: Page, words: str) -> None:
    page.fill("input[name=q]", words)
    page.wait_for_function("words => document.documentElement.dataset.listed === words", arg=words)


def lines(page: Page) -> list[str]:
    return [" ".join(text.split()) for text in page.locator("#lines > li > button").all_inner_texts()]


def open_first(page: Page) -> Locator:
    page.click("#lines > li > button >> nth=0")
    found = page.locator(".opened[data-filled]")
    found.wait_for()
    return found


def facts(place: Locator) -> dict[str, str]:
    return dict(zip(place.locator("dt").all_inner_texts(), place.locator("dd").all_inner_texts(), strict=True))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_draws_all_charts_without_a_word_on_the_console_or_a_request_and_fits_its_width(
    browser: Browser, project: Path, width: int, scheme: Any
) -> None:
    page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    path = project / "metrics/report.html"
    seen = opened(page, path)
    open_first(page)
    charts = page.locator(".chart").count()
    assert charts == page.locator(".chart svg.marks").count() == 11
    assert (seen.messages, seen.requests) == ([], [path.as_uri()])
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.close()


def test_every_chart_names_how_many_problems_samples_or_rows_it_is_made_of(page: Page) -> None:
    notes = page.locator("figcaption small").all_inner_texts()
    assert notes[0] == "Of each student: fruit 2 problems x 2 samples."
    assert notes[1].startswith(
        "On the same problems, for these weights: turbo over base 2 problems, 8 samples of both."
    )
    assert "final 2 logged steps" in notes[6]
    assert len(notes) == 11 and all(re.search(r"\d", note) for note in notes)


def test_the_table_shows_each_number_with_its_interval_beside_the_published_one(page: Page) -> None:
    cells = page.locator("#results tbody tr").first.locator("td").all_inner_texts()
    # Right are the second answer of the first problem and the first of the second.
    assert cells[0].startswith("50.0 [") and cells[0].endswith("/ 50.0")
    assert cells[-1] == "50.0 / 75.0"


def test_the_gain_of_each_stage_stands_below_the_table_with_its_interval(page: Page) -> None:
    (gain,) = page.locator("#results li").all_inner_texts()
    assert re.match(r"turbo over base: \+0\.0 points \[-\d+\.\d, \+\d+\.\d\], not resolved for these weights", gain)


def test_rows_that_were_left_out_stand_there_with_their_reasons(page: Page) -> None:
    tables = page.locator("#funnel table").all_inner_texts()
    assert len(tables) == 3
    assert "contaminated\t1" in tables[0]
    assert "truncated\t1" in tables[1] and "failed\t1" in tables[1]


def test_what_the_teacher_is_asked_stands_there_once_for_each_effort(page: Page) -> None:
    asked = page.locator("#prompt details")
    assert asked.locator("summary b").all_inner_texts() == ["medium", "high"]
    asked.nth(1).locator("summary").click()
    chat = asked.nth(1).locator(".chat").first
    roles, texts = chat.locator("dt").all_inner_texts(), chat.locator("dd").all_inner_texts()
    assert roles == ["system", *["user", "assistant"] * 3, "user"]
    assert texts[0] == "You teach <b>arithmetic</b>."
    assert texts[1].startswith("Mia has 7 crates") and texts[1].endswith("within \\boxed{}.")
    assert texts[-1].startswith("(the problem)\n") and texts[-1].endswith("within \\boxed{}.")


def test_a_line_is_a_problem_and_who_answered_it_with_its_right_answers_counted(page: Page) -> None:
    assert count(page) == ALL
    choose(page, student="turbo")
    assert count(page) == (2, 2, 4)
    found = sorted(lines(page))
    assert re.match(r"0 of 2 right turbo exam fruit What is half of 3\? 2 .2 \d+ tokens", found[0])
    assert found[1].startswith("2 of 2 right turbo exam fruit A pear costs 5 and an apple 3.")
    choose(page, student="teach@medium")
    (percent,) = [line for line in lines(page) if "What is 10% of 50?" in line]
    assert percent.startswith("1 of 3 right, 1 unscored")


def test_lines_are_chosen_by_student_verdict_fate_and_exam_or_source(page: Page) -> None:
    choose(page, set="exam fruit")
    assert count(page) == (4, 2, 8)
    choose(page, verdict="correct")
    assert count(page) == (3, 2, 4)
    page.click("button[type=reset]")
    assert count(page) == ALL
    choose(page, fate="turbo: truncated")
    assert count(page) == (1, 1, 1)


def test_problems_that_one_student_solves_and_another_does_not_are_shown_with_both(page: Page) -> None:
    choose(page, right="turbo", wrong="base")
    assert [line.split(" exam ")[0] for line in lines(page)] == ["1 of 2 right base", "2 of 2 right turbo"]
    choose(page, by="any")
    assert count(page) == (0, 0, 0)
    choose(page, right="base", wrong="turbo")
    assert [line.split(" exam ")[0] for line in lines(page)] == ["1 of 2 right base", "0 of 2 right turbo"]
    choose(page, right="")
    assert count(page) == (1, 1, 2)


def test_lines_are_sorted_by_right_answers_and_by_tokens(page: Page) -> None:
    choose(page, set="exam fruit", sort="least")
    assert [line[:6] for line in lines(page)] == ["0 of 2", "1 of 2", "1 of 2", "2 of 2"]
    choose(page, sort="most")
    assert [line[:6] for line in lines(page)] == ["2 of 2", "1 of 2", "1 of 2", "0 of 2"]
    choose(page, sort="longest")
    tokens = [int(line.split()[-2]) for line in lines(page)]
    assert tokens == sorted(tokens, reverse=True) and len(set(tokens)) == 2


def test_words_are_found_in_problems_answers_and_all_texts_and_shown_where_they_stand(page: Page) -> None:
    search(page, SUM.upper())
    assert count(page) == (3, 1, 9)
    search(page, "thought  1.")
    assert count(page) == (10, 5, 10)
    hit = page.locator("#lines .hit").first
    assert hit.inner_text() == "sample 1, reasoning: Thought 1." and hit.locator("mark").inner_text() == "Thought 1."
    search(page, "\\frac{2}{\\sqrt{2}}")
    assert count(page) == (2, 1, 2)
    search(page, ".*")
    assert count(page) == (0, 0, 0)


def test_a_line_opens_to_its_answers_with_label_verdicts_and_fates(page: Page) -> None:
    search(page, PRODUCT)
    choose(page, student="teach@medium")
    found = open_first(page)
    problem = facts(found.locator(":scope > dl"))
    assert (problem["gold"], problem["label"]) == ("56", "54 (from the vote)")
    cards = found.locator("details.card")
    assert cards.count() == 4
    head = cards.first.locator("summary").inner_text()
    assert head.startswith("correct 54 sample 0")
    fate = facts(cards.first)["fate"]
    assert facts(cards.first)["decided by"] == "number" and fate.startswith("turbo: ")
    assert "Thought 0." in cards.first.inner_text()
    page.click("#lines > li > button >> nth=0")
    assert page.locator(".opened").count() == 0


def test_what_a_pool_votes_on_stands_in_lines_of_its_own_by_effort(page: Page) -> None:
    search(page, PROOF)
    found = dict.fromkeys(["teach@medium", "pool@both, medium", "pool@both, high"], "")
    for who in found:
        choose(page, student=who)
        (found[who],) = lines(page)
    assert found["teach@medium"].startswith("3 of 4 right")
    assert found["pool@both, medium"].startswith("4 unscored"), "three of five answers are no label"
    assert found["pool@both, high"].startswith("1 unscored")
    choose(page, student="pool@both, medium")
    assert facts(open_first(page).locator(":scope > dl"))["label"] == "none (from the none)"


def test_another_students_answers_to_the_same_problem_are_one_step_away(page: Page) -> None:
    choose(page, student="base")
    found = open_first(page)
    found.locator(".others button", has_text="turbo").click()
    page.wait_for_selector(".opened[aria-label^=turbo][data-filled]")
    assert count(page) == (2, 1, 4)


def test_a_link_holds_search_filters_order_and_the_open_line_and_the_way_back(browser: Browser, page: Page) -> None:
    choose(page, student="teach@medium", sort="least")
    search(page, "Thought 1.")
    found = open_first(page)
    again = browser.new_page()
    again.goto(page.url)
    again.wait_for_selector("html[data-ready]")
    again.wait_for_selector(".opened[data-filled]")
    assert again.inner_text(".opened") == found.inner_text()
    assert (lines(again), count(again)) == (lines(page), count(page))
    again.close()
    page.go_back()
    page.wait_for_selector(".opened", state="detached")
    assert count(page) == (5, 5, 5)
    page.go_back()
    page.wait_for_function("document.documentElement.dataset.listed === ''")
    assert count(page) == (5, 5, 20)
    page.go_back()
    page.go_back()
    page.wait_for_function("document.querySelector('select[name=student]').value === ''")
    assert count(page) == ALL
    page.go_forward()
    page.wait_for_function("document.querySelector('select[name=student]').value === 'teach@medium'")
    assert count(page) == (5, 5, 20)


def test_a_link_of_another_run_with_names_that_are_unknown_here_shows_all(browser: Browser, project: Path) -> None:
    page = browser.new_page()
    seen = opened(page, project / "metrics/report.html", "#student=nobody&page=x&problem=none&of=base&q=%5B(&right=%00")
    assert page.inner_text("#count").startswith("0 lines") and seen.messages == []
    search(page, "")
    assert count(page) == ALL
    page.close()


def test_the_list_is_walked_and_opened_by_keys(page: Page) -> None:
    page.focus("#lines > li > button >> nth=0")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_selector(".opened[data-filled]")
    assert page.locator("#lines > li > button").nth(1).get_attribute("aria-expanded") == "true"
    assert page.evaluate("document.activeElement.ariaExpanded") == "true"


def test_formulas_are_set_and_prices_are_left_alone(page: Page) -> None:
    choose(page, student="base")
    search(page, "cost $5")
    found = open_first(page)
    assert found.locator("math mfrac").count() == 2  # 1/2 and the boxed 3/4
    assert "cost $5 and $6" in found.inner_text()


def test_a_hostile_trace_is_shown_as_text_and_does_nothing(browser: Browser, project: Path) -> None:
    page = browser.new_page()
    path = project / "metrics/report.html"
    seen = opened(page, path)
    choose(page, student="base")
    search(page, "<script>window.hacked")
    assert "</script><script>window.hacked" in page.inner_text("#lines .hit")
    found = open_first(page)
    assert "<script>window.hacked = 1</script><img src=x onerror='window.hacked = 2'>" in found.inner_text()
    assert page.locator("#lines script, #lines img, #lines iframe, #lines a").count() == 0
    assert page.evaluate("window.hacked") is None
    assert (seen.messages, seen.requests) == ([], [path.as_uri()])
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
    whole |= {EXAM: (4,), HALF: (4,)}
    assert all(size in whole[prompt] for prompt, size in sizes.items())


def read_rows(path: Path) -> dict[str, Any]:
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
