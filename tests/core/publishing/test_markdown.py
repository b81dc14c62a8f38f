"""Text from outside is shown in Markdown and never obeyed."""

import pytest

from stages.core.publishing.markdown import escaped, fenced, table


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("one_step", "one_step"),
        ("_both_", r"\_both\_"),
        ("a|b", r"a\|b"),
        ("<img src=x onerror=y>", r"\<img src=x onerror=y\>"),
        ("[click](javascript:x)", r"\[click\](javascript:x)"),
        ("`code`", r"\`code\`"),
        ("two\nlines\r\n# of them", r"two lines \# of them"),
        ("red\x1b[31m", r"red\\x1b\[31m"),
        ("turned\u202earound", r"turned\\u202earound"),
        (0.5, "0.5"),
    ],
)
def test_markup_is_escaped_and_words_are_left_as_they_are(given: object, shown: str) -> None:
    assert escaped(given) == shown


def test_a_block_of_code_cannot_be_closed_from_within() -> None:
    text = "a\n```\nb\n`````\nc"
    opening, *inner, closing = fenced(text).splitlines()
    assert "\n".join(inner) == text
    assert opening == closing == "`" * 6 and closing not in inner
    assert fenced("x", "python") == "```python\nx\n```"


def test_a_table_has_a_head_a_rule_and_its_rows() -> None:
    assert table(["a", "b"], [["1", "2"]]) == ["| a | b |", "| --- | --- |", "| 1 | 2 |"]
