"""Classes of equal answers in an exam, for the majority of a student's samples.

They are made by one relation for right and wrong answers alike, `same`, before anything is compared with the gold: a
judge that joins right answers by tolerance and wrong ones by spelling gives the right ones more votes than they have.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

import polars as pl

from stages.core.equality.relations import Pair
from stages.core.labelling import voting

GROUP = ["model", "effort", "benchmark", "problem_id"]
"""One student's samples of one problem: its classes do not depend on what others answer."""
CLASSES = pl.Schema(dict.fromkeys([*GROUP, "answer_key", "answer_class"], pl.String()))

Decide = Callable[[Sequence[Pair]], Mapping[Pair, str]]
"""The outcomes of the symbolic tier of `same` for pairs of answers."""


def counted(prepared: pl.DataFrame) -> pl.DataFrame:
    """How many samples of a student give each spelling of an answer, from columns of `ANSWERS`."""
    answered = prepared.filter(pl.col("answer_key").is_not_null())
    return answered.group_by([*GROUP, "answer", "answer_key"]).agg(num_traces=pl.len().cast(pl.Int64))


def classes(pieces: Iterable[pl.DataFrame], decide: Decide) -> pl.DataFrame:
    """`CLASSES`: the class of each answer, which is the key of its most frequent answer, sorted.

    The classes are those of a vote (`voting.grouped`) over all samples of a student on a problem. They do not depend on
    the order of rows, nor on where the table is cut.

    Args:
        pieces: tables with columns of `ANSWERS`.
        decide: decides the pairs that the cheap tiers of `same` leave open, all of them at once.
    """
    schema = {**dict.fromkeys([*GROUP, "answer", "answer_key"], pl.String()), "num_traces": pl.Int64()}
    answers = pl.concat([pl.DataFrame(schema=schema), *(counted(piece) for piece in pieces)])
    tallies = voting.tallies_by(answers, GROUP)
    same = decide(voting.pairs_to_decide(tallies.values()))
    rows = [
        (*group, candidate.key, members[0].key)
        for group, tally in tallies.items()
        for members in voting.grouped(tally, same)
        for candidate in members
    ]
    return pl.DataFrame(rows, schema=CLASSES, orient="row").sort(list(CLASSES), nulls_last=False)
