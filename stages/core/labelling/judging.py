"""Judging: a verdict for each trace against its label, in two phases around the worker processes.

`prepare` judges by spelling and exact values; `undecided` lists the pairs that need algebra; `verdicts` adds the
outcomes of those. A trace that was never answered is `unscored`: it is not wrong.
"""

from collections import Counter
from collections.abc import Mapping

import polars as pl

from stages.core.equality.relations import Pair, accepts_extracted
from stages.core.labelling import answer_classes
from stages.core.tables.answers import EXTRACTION_RULES, TIERS, UNSCORED, VERDICT, VERDICTS
from stages.core.tables.traces import UNANSWERED


def prepare(answers: pl.DataFrame, labels: pl.DataFrame, rounded: bool = True) -> pl.DataFrame:
    """The rows of `ANSWERS` with their `label`, judged as far as the cheap tiers can.

    `verdict` and `decided_by` are null where they cannot. `missed` marks a trace without an answer whose last sentence
    gives the label all the same.

    Args:
        answers: columns of `ANSWERS`.
        labels: `label` by `problem_id`, or by `benchmark` and `problem_id` where it has both.
        rounded: whether a decimal label may be the rounding of an exact answer, see `relations.accepts_cheaply`.
    """
    on = [name for name in ("benchmark", "problem_id") if name in labels.columns]
    joined = answers.join(labels, on=on, how="left", maintain_order="left")
    cheap: dict[Pair, tuple[str | None, str | None]] = {}
    decided: list[tuple[str | None, str | None]] = []
    for status, label, answer in joined.select("status", "label", "answer").iter_rows():
        if status in UNANSWERED:
            decided.append(("unscored", None))
        elif label is None:
            decided.append(("no_label", None))
        elif answer is None:
            decided.append(("no_answer", None))
        else:
            if (label, answer) not in cheap:
                cheap[label, answer] = _cheap_verdict(label, answer, rounded)
            decided.append(cheap[label, answer])
    texts = zip(decided, joined["label"], joined["conclusion"], strict=True)
    missed = [each == ("no_answer", None) and _is_missed(*rest) for each, *rest in texts]
    return joined.drop("conclusion", "status").with_columns(
        verdict=pl.Series([verdict for verdict, _ in decided], dtype=VERDICTS["verdict"]),
        decided_by=pl.Series([tier for _, tier in decided], dtype=VERDICTS["decided_by"]),
        missed=pl.Series(missed, dtype=pl.Boolean),
    )


def _is_missed(label: str, conclusion: str | None) -> bool:
    return conclusion is not None and accepts_extracted(label, conclusion).equal is True


def _cheap_verdict(label: str, answer: str, rounded: bool) -> tuple[str | None, str | None]:
    equal, tier = accepts_extracted(label, answer, rounded)
    return (None, None) if equal is None else ("correct" if equal else "incorrect", tier)


def undecided(prepared: pl.DataFrame) -> list[Pair]:
    """The distinct (label, answer) pairs that need the symbolic tier, sorted."""
    rows = prepared.filter(pl.col("verdict").is_null()).select("label", "answer").unique().iter_rows()
    return sorted((label, answer) for label, answer in rows)


def verdicts(
    prepared: pl.DataFrame, outcomes: Mapping[Pair, str], llm: Mapping[Pair, bool] | None = None
) -> pl.DataFrame:
    """The verdicts table, completed by the symbolic outcomes (`equal`, `different`, `unparsable`, `timeout`).

    Where algebra did not decide, the verdict of the LLM judge counts, if there is one.

    Raises:
        KeyError: an undecided pair has no outcome.
    """
    names = {"equal": "correct", "different": "incorrect", "unparsable": "unparsable", "timeout": "timeout"}
    verdict, tier = [], []
    for label, answer, known, by in prepared.select("label", "answer", "verdict", "decided_by").iter_rows():
        outcome = None if known is not None else names[outcomes[label, answer]]
        llm_verdict = (llm or {}).get((label, answer)) if outcome in ("unparsable", "timeout") else None
        if llm_verdict is not None:
            outcome, by = "correct" if llm_verdict else "incorrect", "llm"
        verdict.append(known or outcome)
        tier.append("symbolic" if outcome in ("correct", "incorrect") and by is None else by)
    return prepared.with_columns(
        verdict=pl.Series(verdict, dtype=VERDICTS["verdict"]), decided_by=pl.Series(tier, dtype=VERDICTS["decided_by"])
    ).select(list(VERDICTS))


def exam_verdicts(
    prepared: pl.DataFrame,
    outcomes: Mapping[Pair, str],
    llm: Mapping[Pair, bool] | None = None,
    *,
    classes: pl.DataFrame,
) -> pl.DataFrame:
    """`EXAM_VERDICTS`: as `verdicts`, with the class of each answer from `answer_classes.classes`.

    Raises:
        ValueError: an answer has no class there.
    """
    own = verdicts(prepared, outcomes, llm)
    on = [*answer_classes.GROUP, "answer_key"]
    found = prepared.select(on).join(classes, on=on, how="left", nulls_equal=True, maintain_order="left")
    if found.filter(pl.col("answer_key").is_not_null() & pl.col("answer_class").is_null()).height:
        raise ValueError("an answer has no class: make the classes of all answers that are judged")
    return own.with_columns(answer_class=found["answer_class"], before_cut=prepared["before_cut"])


def counted(table: pl.DataFrame) -> Counter[str]:
    """Traces of a verdicts table by verdict, tier and rule: those of its pieces add up to those of the whole."""
    counts = Counter({"traces": table.height})
    for column, name in (("verdict", "{}"), ("decided_by", "by_{}"), ("extracted_by", "{}")):
        counts.update({name.format(value): num for value, num in table[column].drop_nulls().value_counts().iter_rows()})
    return counts


def metrics(counts: Mapping[str, int], num_missed: int) -> dict[str, int | float]:
    """Counts by verdict, tier and rule, and the share of scored traces that are correct, from `counted`.

    The last sentence of `num_missed` traces without an answer gives the label all the same.
    """
    names = ("traces", *VERDICT, *(f"by_{tier}" for tier in TIERS), *EXTRACTION_RULES[:-1])
    num_scored = sum(counts.get(verdict, 0) for verdict in VERDICT if verdict not in UNSCORED)
    return {
        **{f"num_{name}": counts.get(name, 0) for name in names},
        "num_right_but_not_extracted": num_missed,
        "correct_share": counts.get("correct", 0) / num_scored if num_scored else 0.0,
    }
