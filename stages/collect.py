"""Problem sources -> problems and benchmarks, without duplicates and without the exams' questions.

python -m stages.collect --sources data/sources --problems data/problems.parquet --benchmarks data/benchmarks.parquet \
    --evidence data/contamination.parquet --metrics metrics/collect.json
"""

import argparse
from pathlib import Path

import polars as pl

from stages.core import contamination, problems
from stages.edge import cli, params, sources, tables, track
from stages.edge.errors import EmptyError, InputError, SettingError


def main() -> None:
    """Fetch, normalise, check golds, drop duplicates and contaminated problems."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sources", type=Path, required=True, help="folder where relative file sources start")
    for name in ("problems", "benchmarks", "evidence", "metrics"):
        parser.add_argument(f"--{name}", type=Path, required=True, help="file to write")
    args = parser.parse_args()
    settings = params.load(params.Collect, "collect")
    for name in ("sources", "benchmarks"):
        if not getattr(settings, name):
            raise SettingError(f"params.yaml: collect.{name} is empty; list at least one")
    with track.stage("collect", settings.model_dump(mode="json")) as run:
        exams = pl.concat([_benchmark(each, args.sources, settings.generator) for each in settings.benchmarks])
        parts = [_problems(each, args.sources, settings.generator) for each in settings.sources]
        found = pl.concat(parts)
        unique = problems.deduplicate(found)
        rules = [rule for rule, on in settings.decontaminate if on]
        evidence = contamination.evidence(unique, exams, rules)
        kept = unique.join(evidence, on="problem_id", how="anti")
        if kept.is_empty():
            raise EmptyError(
                f"no problem is left of {found.height}: {evidence.height} stand in a benchmark; see `collect`"
            )
        tables.write(kept, args.problems, problems.PROBLEMS, problems.PROBLEMS_KEY)
        tables.write(exams, args.benchmarks, problems.BENCHMARKS, problems.BENCHMARKS_KEY)
        tables.write(evidence, args.evidence, contamination.EVIDENCE, contamination.EVIDENCE_KEY)
        metrics = {
            "num_rows": found.height,
            "num_duplicates": found.height - unique.height,
            "num_contaminated": unique.height - kept.height,
            "num_ungradable": int((~kept["gradable"]).sum()),
            "num_problems": kept.height,
            "num_exam_problems": exams.height,
        }
        cli.write_metrics(metrics, args.metrics)
        run.metrics(metrics)


def _problems(source: params.Source, folder: Path, generator: params.Generator) -> pl.DataFrame:
    try:
        return problems.problem_rows(source.name, sources.rows(source, folder, generator))
    except ValueError as error:
        raise InputError(f"source {source.name}: {error}; correct its rows or its `columns`") from error


def _benchmark(exam: params.Benchmark, folder: Path, generator: params.Generator) -> pl.DataFrame:
    made = _problems(exam.source, folder, generator)
    if made.height != exam.num_problems:
        raise InputError(
            f"benchmark {exam.source.name}: has {made.height} questions where {exam.num_problems} are expected"
        )
    try:
        return problems.benchmark_rows(exam.source.name, exam.published, made)
    except ValueError as error:
        raise InputError(f"{error}; correct the source") from error


if __name__ == "__main__":
    cli.run(main)
