"""Verdicts by worker processes, and by a language model where algebra does not decide."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

import polars as pl

from stages.core.labelling import answer_classes, judging, llm_verdicts
from stages.core.tables.answers import EXAM_VERDICTS, VERDICTS, VERDICTS_KEY
from stages.edge import params, track
from stages.edge.files import scratch, tables
from stages.edge.workers import algebra, shards
from stages.edge.workers.algebra import Outcome
from stages.edge.workers.decisions import Pair

Prepare = Callable[[pl.DataFrame], pl.DataFrame]


class Settings(NamedTuple):
    """What decides verdicts beside the answers."""

    limits: params.SymbolicLimits
    llm: params.LlmJudge | None
    versions: params.Versions


def judge(
    stage: str,
    settings: Settings,
    source: Path,
    needs: pl.Schema,
    prepare: Prepare,
    output: Path,
    *,
    is_exam: bool,
) -> dict[str, int | float]:
    """Judge the rows of `source`, write the verdicts to `output`, and return their metrics, which are logged too.

    Args:
        stage: name of the run.
        settings: as the stage has loaded them.
        source: a table or a folder of tables.
        needs: the columns of `source` that `prepare` reads.
        prepare: gives the table that `judging.prepare` describes; it runs in worker processes.
        output: where the verdicts go.
        is_exam: whether they are `EXAM_VERDICTS`, with classes of equal answers, or `VERDICTS`.
    """
    params.check_versions(settings.versions)
    runtime = params.load(params.Runtime, "runtime")
    with track.stage(stage, settings.limits.model_dump()) as run:
        prepared = shards.mapped(source, needs, prepare, runtime.num_workers, runtime.pool)
        with scratch.on_disk(prepared, output) as pieces:
            pairs = {pair for piece in pieces for pair in judging.undecided(piece)}
            num_missed = sum(int(piece["missed"].sum()) for piece in pieces)
            with algebra.symbolic(settings.limits, runtime) as pool:
                outcomes = pool.decide(sorted(pairs), "accepts")
                llm_answers, agreement = _ask_llm_judge(outcomes, settings.llm, runtime, run)
                finish, schema = judging.verdicts, VERDICTS
                if is_exam:
                    classes = answer_classes.classes(pieces, partial(pool.decide, relation="same"))
                    finish, schema = partial(judging.exam_verdicts, classes=classes), EXAM_VERDICTS
            counts: Counter[str] = Counter()
            judged = (finish(piece, outcomes, llm_answers) for piece in pieces)
            tables.write_sorted(_counted(judged, counts), output, schema, VERDICTS_KEY)
        metrics = judging.metrics(counts, num_missed)
        run.metrics(metrics | pool.metrics() | agreement)
    return metrics


def _counted(judged: Iterable[pl.DataFrame], counts: Counter[str]) -> Iterator[pl.DataFrame]:
    for verdicts in judged:
        counts.update(judging.counted(verdicts))
        yield verdicts


def _ask_llm_judge(
    outcomes: Mapping[Pair, Outcome], settings: params.LlmJudge | None, runtime: params.Runtime, run: track.Run
) -> tuple[dict[Pair, bool], dict[str, float]]:
    """A language model's answers to the pairs that algebra left undecided, and its agreement with algebra on others."""
    if settings is None:
        return {}, {}
    from stages.edge.asking import llm_judge  # which loads the client of a server, and takes seconds

    decided = {
        pair: outcome is Outcome.EQUAL
        for pair, outcome in outcomes.items()
        if outcome in (Outcome.EQUAL, Outcome.DIFFERENT)
    }
    both = llm_verdicts.overlap(decided, settings.num_overlap)
    answers = llm_judge.ask([*(outcomes.keys() - decided.keys()), *both], settings, runtime, run.metrics)
    common = [pair for pair in both if pair in answers]
    kappa = llm_verdicts.cohens_kappa([decided[pair] for pair in common], [answers[pair] for pair in common])
    figures = {"num_opinions": float(len(answers.keys() - decided.keys())), "num_overlap": float(len(common))}
    return answers, figures | ({} if kappa is None else {"cohens_kappa": kappa})
