"""The answer that each trace gives, read out of its text once, and the verdict on it."""

import polars as pl

from stages.core.tables.traces import TRACES, TRACES_KEY

EXTRACTION_RULES = ("box", "stated", "none")
"""A box; a statement such as "the answer is"; neither."""
ANSWERS = pl.Schema(
    {
        **{name: TRACES[name] for name in (*TRACES_KEY, "status")},
        "answer": pl.String(),
        "answer_key": pl.String(),
        "extracted_by": pl.Enum(EXTRACTION_RULES),
        "conclusion": pl.String(),
    }
)
"""`answer_key` is the same for all spellings of an answer. `conclusion` is the value that the last sentence of a
trace without an answer gives; it is no answer. Each is null where there is none."""
ANSWERS_KEY = TRACES_KEY

VERDICT = ("correct", "incorrect", "no_answer", "unparsable", "timeout", "no_label", "unscored")
UNSCORED = ("no_label", "unscored")
"""Verdicts that do not count for or against the answer. `timeout` is none of them: leaving out answers too hard to
judge would raise the score of a model that writes such ones."""
TIERS = ("text", "number", "evaluated", "symbolic", "llm")
VERDICTS = pl.Schema(
    {
        **{name: ANSWERS[name] for name in (*ANSWERS_KEY, "answer", "extracted_by")},
        "verdict": pl.Enum(VERDICT),
        "decided_by": pl.Enum(TIERS),
    }
)
VERDICTS_KEY = ANSWERS_KEY
EXAM_VERDICTS = pl.Schema({**VERDICTS, "answer_class": pl.String()})
"""Verdicts of an exam. Answers of a problem that count as the same share their `answer_class`; null: no answer."""
