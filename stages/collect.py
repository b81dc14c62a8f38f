"""Problem sources -> problems and benchmarks, without duplicates and without the exams' questions.

python -m stages.collect --sources data/sources --problems data/problems.parquet --benchmarks data/benchmarks.parquet \
    --duplicates data/duplicates.parquet --evidence data/contamination.parquet --metrics metrics/collect.json \
    --provenance metrics/sources.json --plot metrics/plots/collect.csv
"""

import sys
from pathlib import Path
from typing import Any

import polars as pl

from stages.core.problems import collection, contamination, duplicates, problems
from stages.core.problems.contamination import Embedded
from stages.core.problems.dropped import DUPLICATES, DUPLICATES_KEY, EVIDENCE, EVIDENCE_KEY
from stages.core.problems.intake import Intake
from stages.core.tables.benchmarks import BENCHMARKS, BENCHMARKS_KEY
from stages.core.tables.problems import PROBLEMS, PROBLEMS_KEY
from stages.edge import params, track
from stages.edge.cli import running
from stages.edge.errors import EmptyError, InputError, SettingError
from stages.edge.fetching import hub, sources
from stages.edge.files import tables
from stages.edge.files.metrics import write_csv, write_metrics


def main() -> None:
    """Fetch, normalise, check golds, drop duplicates and contaminated problems."""
    written = ("problems", "benchmarks", "duplicates", "evidence", "metrics", "provenance", "plot")
    parser = running.parser(__doc__, *written)
    parser.add_argument("--sources", type=Path, required=True, help="folder where relative file sources start")
    args = parser.parse_args()
    settings = params.load(params.Collect, "collect")
    for name in ("sources", "benchmarks"):
        if not getattr(settings, name):
            raise SettingError(f"params.yaml: collect.{name} is empty; list at least one")
    with track.stage("collect", settings.model_dump(mode="json")) as run:
        every = [*settings.sources, *(exam.source for exam in settings.benchmarks)]
        commits = hub.Commits(every, args.provenance)
        results = [sources.take(each, args.sources, settings.generator, commits.of(each)) for each in every]
        taken = {each.name: result for each, result in zip(settings.sources, results, strict=False)}
        of_exams = zip(settings.benchmarks, results[len(settings.sources) :], strict=True)
        questions = {exam.source.name: result.problems for exam, result in of_exams}
        exams = _benchmarks(settings, questions)
        collected = pl.concat([each.problems for each in taken.values()])
        unique, dropped = duplicates.drop(collected, settings.deduplicate.min_similarity)
        rules = settings.decontaminate
        evidence = contamination.evidence(unique, exams, rules, _embedded(rules, unique, exams))
        kept = unique.join(evidence.filter(~pl.col("kept")), on="problem_id", how="anti")
        if kept.is_empty():
            raise EmptyError(
                f"no problem is left of {collected.height}: {evidence['problem_id'].n_unique()} stand in a benchmark; "
                "see `collect` in params.yaml"
            )
        tables.write(kept, args.problems, PROBLEMS, PROBLEMS_KEY)
        tables.write(exams, args.benchmarks, BENCHMARKS, BENCHMARKS_KEY)
        tables.write(dropped, args.duplicates, DUPLICATES, DUPLICATES_KEY)
        tables.write(evidence, args.evidence, EVIDENCE, EVIDENCE_KEY)
        commits.remember()
        write_metrics(_provenance(settings, taken, questions, commits.by_name()), args.provenance)
        metrics = collection.metrics(taken, unique, dropped, evidence, kept) | {"num_exam_problems": exams.height}
        write_csv(collection.funnel(metrics), args.plot)
        write_metrics(metrics, args.metrics)
        for flag in collection.flags(metrics):
            print(f"warning: {flag}", file=sys.stderr)
        run.metrics(metrics)
        run.artifact(args.provenance)


def _benchmarks(settings: params.Collect, questions: dict[str, pl.DataFrame]) -> pl.DataFrame:
    dates = [each.published for each in settings.sources if not isinstance(each, params.GeneratedSource)]
    newest = problems.newest(dates)
    return pl.concat([_benchmark(exam, questions[exam.source.name], newest) for exam in settings.benchmarks])


def _benchmark(exam: params.Benchmark, questions: pl.DataFrame, newest: object) -> pl.DataFrame:
    name = exam.source.name
    if questions.height != exam.num_problems:
        raise InputError(f"benchmark {name}: has {questions.height} questions where {exam.num_problems} are expected")
    try:
        rows = problems.benchmark_rows(name, exam.published, questions, exam.answers, newest)
    except ValueError as error:
        raise InputError(f"{error}; correct the source") from error
    digest = problems.answers_digest(rows["gold"])
    if exam.answers_digest not in (None, digest):
        raise InputError(
            f"benchmark {name}: its answers hash to {digest}, not to {exam.answers_digest}: this is another copy, or "
            "one with wrong answers; take the right one, or set `answers_digest` to what you have checked"
        )
    return rows


def _embedded(rules: params.Decontaminate, unique: pl.DataFrame, exams: pl.DataFrame) -> Embedded | None:
    if rules.embedding is None:
        return None
    from stages.edge.fetching.embeddings import embed

    model, revision = rules.embedding.model, rules.embedding.revision
    ours, theirs = (embed(table["prompt"].to_list(), model, revision) for table in (unique, exams))
    return Embedded(ours, theirs, rules.embedding.min_similarity)


def _provenance(
    settings: params.Collect, taken: dict[str, Intake], questions: dict[str, pl.DataFrame], revisions: dict[str, str]
) -> dict[str, Any]:
    """What was read, so that the same can be read again: commits, and hashes of the rows that came."""
    return {
        "revisions": revisions,
        "sources": {name: {"content": problems.content_digest(each.problems)} for name, each in taken.items()},
        "benchmarks": {
            exam.source.name: {
                "content": problems.content_digest(questions[exam.source.name]),
                "answers": problems.answers_digest(questions[exam.source.name]["gold"]),
            }
            for exam in settings.benchmarks
        },
    }


if __name__ == "__main__":
    running.run(main)
