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
        "before_cut": pl.Boolean(),
    }
)
"""`answer_key` is the same for all spellings of an answer. `conclusion` is the value that the last sentence of a
trace without an answer gives; it is no answer. Each is null where there is none. `before_cut`: the limit of tokens cut
the text off, and an answer stands before the cut. Whether that is the trace's answer is for the reader to say."""
ANSWERS_KEY = TRACES_KEY

VERDICT = ("correct", "incorrect", "no_answer", "unparsable", "timeout", "no_label", "unscored")
"""`no_answer`: the text gives none, or was cut off before its end where what stands before the cut does not count, as
in every trace of a teacher."""
UNSCORED = ("no_label", "unscored")
"""Verdicts that do not count for or against the answer. `timeout` is none of them: leaving out answers too hard to
judge would raise the score of a model that writes such ones."""
TIERS = ("text", "number", "rounded", "evaluated", "symbolic", "llm")
"""What decided: the spelling, exact values, a rounded gold, values to many digits, algebra, a language model."""
VERDICTS = pl.Schema(
    {
        **{name: ANSWERS[name] for name in (*ANSWERS_KEY, "answer", "extracted_by")},
        "verdict": pl.Enum(VERDICT),
        "decided_by": pl.Enum(TIERS),
    }
)
VERDICTS_KEY = ANSWERS_KEY
EXAM_VERDICTS = pl.Schema({**VERDICTS, "answer_class": pl.String(), "before_cut": ANSWERS["before_cut"]})
"""Verdicts of an exam. Answers of a student to a problem that are the same share their `answer_class`, whether right or
wrong (`labelling.answer_classes`); null: no answer."""
