"""A verdict for each trace, by the answer that it gives."""

import polars as pl

from stages.core.tables.answers import ANSWERS, ANSWERS_KEY

VERDICT = ("correct", "incorrect", "no_answer", "unparsable", "timeout", "no_label", "unscored")
UNSCORED = ("no_label", "unscored")
"""Verdicts that say nothing about the answer. `timeout` is none of them: leaving out an answer that no judge can finish
would raise the score of a model that writes monstrous ones."""
TIERS = ("text", "number", "evaluated", "symbolic", "llm")
VERDICTS = pl.Schema(
    {
        **{name: ANSWERS[name] for name in (*ANSWERS_KEY, "answer", "extracted_by")},
        "verdict": pl.Enum(VERDICT),
        "decided_by": pl.Enum(TIERS),
    }
)
VERDICTS_KEY = ANSWERS_KEY
MARKS = pl.Schema({**VERDICTS, "answer_class": pl.String()})
"""Verdicts of an exam. Answers of a problem that count as the same share their `answer_class`; null: no answer."""
