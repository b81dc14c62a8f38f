r"""The table of answers: one row a trace, in the order of the traces."""

import polars as pl
import pytest

from stages.core.answers.table import TRACES_IN, read_answers
from stages.core.tables.answers import ANSWERS


def traces(*contents: tuple[str | None, str]) -> pl.DataFrame:
    rows = [("m", "high", None, "p", sample, content, status) for sample, (content, status) in enumerate(contents)]
    return pl.DataFrame(rows, schema=TRACES_IN, orient="row")


def test_a_row_has_the_answer_its_key_and_what_found_it() -> None:
    found = read_answers(
        traces(
            (r"so \boxed{x=5}", "stop"),
            ("The answer is 1,234.", "stop"),
            ("We add. So there are 12 ways.", "length"),
            ("We go on and", "length"),
            (r"\boxed{} There are 7.", "stop"),
            ("", "stop"),
            (None, "failed"),
        ),
        answer_before_cut=True,
    )
    assert found.schema == ANSWERS
    assert found.select("answer", "answer_key", "extracted_by", "conclusion").rows() == [
        ("x=5", "5", "box", None),
        ("1,234", "1234", "stated", None),
        (None, None, "none", "12"),
        (None, None, "none", None),
        (None, None, "none", "7"),
        (None, None, "none", None),
        (None, None, "none", None),
    ]


def test_the_traces_keep_their_key_their_status_and_their_order() -> None:
    given = traces((r"\boxed{2}", "stop"), (r"\boxed{1}", "length"), (None, "refused"))[::-1]
    kept = [name for name in ANSWERS if name in given.columns]
    assert read_answers(given).select(kept).equals(given.select(kept))


def test_no_traces_have_no_answers() -> None:
    found = read_answers(traces())
    assert (found.schema, found.height) == (ANSWERS, 0)


@pytest.mark.parametrize(
    ("content", "has_answer"),
    [
        (r"First guess \boxed{n+1} but let me check", True),
        ("The answer is 5. Wait", True),
        ("We add. So there are 12 ways.", False),
        ("We go on and", False),
        (None, False),
    ],
)
def test_a_text_that_was_cut_off_has_no_final_answer_and_says_whether_one_stood_before_the_cut(
    content: str | None, has_answer: bool
) -> None:
    columns = ["answer", "answer_key", "extracted_by", "conclusion", "before_cut"]
    found = read_answers(traces((content, "length")))
    assert found.select(columns).row(0) == (None, None, "none", None, has_answer)
    whole = read_answers(traces((content, "stop")))
    assert not whole["before_cut"].item()
    counted = read_answers(traces((content, "length")), answer_before_cut=True)
    assert counted.select(columns[:-1]).equals(whole.select(columns[:-1]))
    assert counted["before_cut"].item() is has_answer
