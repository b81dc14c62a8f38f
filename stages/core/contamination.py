"""Contamination: training problems that stand in a benchmark, found by rules that leave evidence."""

import re

import polars as pl

RULES = ("exact", "unordered")
EVIDENCE = pl.Schema(
    {
        "problem_id": pl.String(),
        "benchmark": pl.String(),
        "benchmark_problem_id": pl.String(),
        "rule": pl.Enum(RULES),
        "prompt": pl.String(),
        "benchmark_prompt": pl.String(),
    }
)
EVIDENCE_KEY = ["problem_id", "benchmark", "benchmark_problem_id", "rule"]

_WORD = re.compile(r"\d+|[^\W\d_]+")
"""A number or a run of letters. Copies space formulas freely, so `2x` is cut as `2 x` is, `r_1` as `r_{1}`."""


def fingerprint(prompt: str, rule: str) -> str:
    """What two prompts must share to be the same under `rule`.

    `exact`: words and numbers in order, case and punctuation apart. `unordered`: the same in any order, so that "7 bags
    with 5 apples" and "5 bags with 7 apples" are one.

    Raises:
        ValueError: there is no such rule.
    """
    words = _WORD.findall(prompt.lower())
    if rule == "exact":
        return " ".join(words)
    if rule == "unordered":
        return " ".join(sorted(words))
    raise ValueError(f"no contamination rule is named {rule!r}; there are {RULES}")


def evidence(problems: pl.DataFrame, benchmarks: pl.DataFrame, rules: list[str]) -> pl.DataFrame:
    """One row for each problem, benchmark question and rule that says they are the same."""
    found = [pl.DataFrame(schema=EVIDENCE)]
    for rule in rules:
        ours = _marked(problems, rule).select("mark", "problem_id", "prompt")
        theirs = _marked(benchmarks, rule).select(
            "mark", "benchmark", benchmark_problem_id="problem_id", benchmark_prompt="prompt"
        )
        both = ours.join(theirs, on="mark").with_columns(rule=pl.lit(rule, pl.Enum(RULES)))
        found.append(both.select(list(EVIDENCE)))
    return pl.concat(found)


def _marked(frame: pl.DataFrame, rule: str) -> pl.DataFrame:
    marks = [fingerprint(prompt, rule) for prompt in frame["prompt"]]
    return frame.with_columns(mark=pl.Series(marks, dtype=pl.String))
