"""Judging: a verdict for each trace against its label, in two phases around the worker processes.

`prepare` extracts answers and decides what spelling and exact values decide; `undecided` lists the pairs that need
algebra; `verdicts` puts the outcomes of those in. A trace that was never answered is `unscored`: it is not wrong.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

import polars as pl

from stages.core import answers
from stages.core.equivalence import accepts_extracted, canonical
from stages.core.queries import STATUSES

VERDICT = ("correct", "incorrect", "no_answer", "unparsable", "timeout", "no_label", "unscored")
TIERS = ("text", "number", "evaluated", "symbolic", "llm")
KEY = ["model", "effort", "benchmark", "problem_id", "sample"]
_KEYS = {
    "model": pl.String(),
    "effort": pl.String(),
    "benchmark": pl.String(),
    "problem_id": pl.String(),
    "sample": pl.Int16(),
}
UNSCORED = ("no_label", "unscored")
"""Verdicts that say nothing about the answer. `timeout` is none of them: leaving out an answer that no judge can finish
would raise the score of a model that writes monstrous ones."""
RULES = ("box", "stated", "none")
VERDICTS = pl.Schema(
    {
        **_KEYS,
        "answer": pl.String(),
        "extracted_by": pl.Enum(RULES),
        "verdict": pl.Enum(VERDICT),
        "decided_by": pl.Enum(TIERS),
    }
)
TRACES_IN = pl.Schema({**_KEYS, "content": pl.String(), "status": pl.Enum(STATUSES)})
VOTES_IN = pl.Schema({"problem_id": pl.String(), "label": pl.String()})
BENCHMARKS_IN = pl.Schema({"benchmark": pl.String(), "problem_id": pl.String(), "gold": pl.String()})

Pair = tuple[str, str]
NOTHING = answers.Extracted(None, "none")


def answer_of(content: str | None) -> str | None:
    """The final answer of a trace's content, or None: no text, no stated answer, or an empty box."""
    if content is None:
        return None
    return extracted(content).answer


def extracted(content: str | None) -> answers.Extracted:
    """`answer_of` with the rule that found it."""
    if content is None:
        return NOTHING
    found = answers.extract(content)
    return found if found.answer and canonical(found.answer) else NOTHING


def answers_of(traces: pl.DataFrame, effort: str | None, models: Sequence[str] | None) -> pl.DataFrame:
    """(problem_id, answer, num_traces) of the traces that came back, at one effort or all, of some models or all.

    The answer is null where those traces have none. `traces` has the columns of `TRACES_IN`.
    """
    if effort is not None:
        traces = traces.filter(pl.col("effort") == effort)
    if models is not None:
        traces = traces.filter(pl.col("model").is_in(list(models)))
    came_back = traces.filter(~pl.col("status").is_in(["refused", "failed"]))
    found = [answer_of(content) for content in came_back["content"]]
    each = came_back.select("problem_id", answer=pl.Series(found, dtype=pl.String))
    return each.group_by("problem_id", "answer", maintain_order=True).agg(num_traces=pl.len().cast(pl.Int64))


def prepare(traces: pl.DataFrame, labels: pl.DataFrame) -> pl.DataFrame:
    """The keys of traces with `answer`, the rule that found it and `label`, judged as far as the cheap tiers can tell.

    `verdict` and `decided_by` are null where they cannot. `missed` marks a trace without an answer whose last sentence
    comes to the label all the same.

    Args:
        traces: columns of `TRACES_IN`.
        labels: `label` by `problem_id`, or by `benchmark` and `problem_id` where it has both.
    """
    on = [name for name in ("benchmark", "problem_id") if name in labels.columns]
    joined = traces.join(labels, on=on, how="left", maintain_order="left")
    found = [extracted(content) for content in joined["content"]]
    joined = joined.with_columns(
        answer=pl.Series([each.answer for each in found], dtype=pl.String),
        extracted_by=pl.Series([each.rule for each in found], dtype=pl.Enum(RULES)),
    )
    cheap: dict[Pair, tuple[str | None, str | None]] = {}
    decided: list[tuple[str | None, str | None]] = []
    for status, label, answer in joined.select("status", "label", "answer").iter_rows():
        if status in ("refused", "failed"):
            decided.append(("unscored", None))
        elif label is None:
            decided.append(("no_label", None))
        elif answer is None:
            decided.append(("no_answer", None))
        else:
            if (label, answer) not in cheap:
                cheap[label, answer] = _cheap_verdict(label, answer)
            decided.append(cheap[label, answer])
    texts = zip(decided, joined["label"], joined["content"], strict=True)
    missed = [each == ("no_answer", None) and _is_missed(*rest) for each, *rest in texts]
    return joined.drop("content", "status").with_columns(
        verdict=pl.Series([verdict for verdict, _ in decided], dtype=pl.Enum(VERDICT)),
        decided_by=pl.Series([tier for _, tier in decided], dtype=pl.Enum(TIERS)),
        missed=pl.Series(missed, dtype=pl.Boolean),
    )


def _is_missed(label: str, content: str | None) -> bool:
    said = answers.concluded(content) if content else None
    return said is not None and accepts_extracted(label, said).equal is True


def _cheap_verdict(label: str, answer: str) -> tuple[str | None, str | None]:
    equal, tier = accepts_extracted(label, answer)
    return (None, None) if equal is None else ("correct" if equal else "incorrect", tier)


def undecided(prepared: pl.DataFrame) -> list[Pair]:
    """The distinct (label, answer) pairs that need the symbolic tier, sorted."""
    rows = prepared.filter(pl.col("verdict").is_null()).select("label", "answer").unique().iter_rows()
    return sorted((label, answer) for label, answer in rows)


def verdicts(
    prepared: pl.DataFrame, outcomes: Mapping[Pair, str], opinions: Mapping[Pair, bool] | None = None
) -> pl.DataFrame:
    """The verdicts table, with the symbolic outcomes (`equal`, `different`, `unparsable`, `timeout`) put in.

    Where algebra did not decide, the opinion of a language model does, if there is one.

    Raises:
        KeyError: an undecided pair has no outcome.
    """
    names = {"equal": "correct", "different": "incorrect", "unparsable": "unparsable", "timeout": "timeout"}
    verdict, tier = [], []
    for label, answer, known, by in prepared.select("label", "answer", "verdict", "decided_by").iter_rows():
        outcome = None if known is not None else names[outcomes[label, answer]]
        opinion = (opinions or {}).get((label, answer)) if outcome in ("unparsable", "timeout") else None
        if opinion is not None:
            outcome, by = "correct" if opinion else "incorrect", "llm"
        verdict.append(known or outcome)
        tier.append("symbolic" if outcome in ("correct", "incorrect") and by is None else by)
    return prepared.with_columns(
        verdict=pl.Series(verdict, dtype=pl.Enum(VERDICT)), decided_by=pl.Series(tier, dtype=pl.Enum(TIERS))
    ).select(list(VERDICTS))


def counted(table: pl.DataFrame) -> Counter[str]:
    """Traces of a verdicts table by verdict, tier and rule: those of its pieces add up to those of the whole."""
    found = Counter({"traces": table.height})
    for column, name in (("verdict", "{}"), ("decided_by", "by_{}"), ("extracted_by", "{}")):
        found.update({name.format(value): num for value, num in table[column].drop_nulls().value_counts().iter_rows()})
    return found


def metrics(counts: Mapping[str, int], num_missed: int) -> dict[str, int | float]:
    """Counts by verdict, tier and rule, and the share of scored traces that are correct, of what `counted` found.

    `num_missed` traces without an answer come to the label all the same, by their last sentence.
    """
    names = ("traces", *VERDICT, *(f"by_{tier}" for tier in TIERS), *RULES[:-1])
    num_scored = sum(counts.get(verdict, 0) for verdict in VERDICT if verdict not in UNSCORED)
    return {
        **{f"num_{name}": counts.get(name, 0) for name in names},
        "num_right_but_not_extracted": num_missed,
        "correct_share": counts.get("correct", 0) / num_scored if num_scored else 0.0,
    }
