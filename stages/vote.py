"""A pseudo-label per problem from the answers of its traces.

python -m stages.vote --effort medium --problems data/problems.parquet --traces data/traces \
    --output data/votes/medium.parquet --changed data/changed_labels/medium.parquet \
    --metrics metrics/vote_medium.json --plot metrics/plots/vote_medium.csv
"""

import argparse
from functools import partial
from pathlib import Path

import polars as pl

from stages.core import judging, labels, voting
from stages.edge import cli, params, shards, tables, track, workers
from stages.edge.errors import InputError

AT_ONCE = 10_000
"""Problems whose answers are counted together."""


def _counted(
    answers: pl.DataFrame, problems: pl.DataFrame, rule: labels.Rule, pool: workers.Symbolic
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """`voting.VOTES` and `labels.COMPARED` of some problems."""
    tallied = voting.tallies(answers.join(problems, on="problem_id", how="semi"))
    same = pool.decide(voting.pairs_to_decide(tallied.values()), "same")
    accepted = pool.decide(labels.gold_pairs_to_decide(tallied, problems), "accepts")
    votes = labels.votes(tallied, problems, same=same, accepted=accepted, rule=rule)
    return votes, labels.compare_with_gold(votes, tallied, problems, accepted)


def main() -> None:
    """Extract, group into classes of equal answers, count, and choose a label by the policy."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--effort", required=True, help="whose traces are counted, unless all efforts are pooled")
    for name in ("problems", "traces", "output", "changed", "metrics", "plot"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    args = parser.parse_args()
    settings = params.load(params.Vote, "vote")
    limits = params.load(params.Symbolic, "symbolic")
    params.check_versions(params.load_shared(params.Versions, "versions"))
    runtime = params.load(params.Runtime, "runtime")
    with track.stage(f"vote@{args.effort}", settings.model_dump()) as run:
        problems = tables.read(args.problems, labels.PROBLEMS_IN)
        effort = None if settings.pool_efforts else args.effort
        work = partial(judging.answers_of, effort=effort, models=settings.models)
        answers = pl.concat(shards.mapped(args.traces, judging.TRACES_IN, work, runtime.num_workers, runtime.pool))
        strangers = answers.select("problem_id").unique().join(problems, on="problem_id", how="anti")["problem_id"]
        if strangers.len():
            raise InputError(
                f"{args.traces}: {strangers.len()} problems with traces do not stand in {args.problems}, such as "
                f"{strangers.sort()[0]}; run `dvc repro`, which asks anew"
            )
        rule = labels.Rule(settings.policy, settings.min_share, settings.min_votes, settings.credibility)
        with workers.symbolic(limits, runtime) as pool:
            pieces = list(problems.sort("problem_id").iter_slices(AT_ONCE)) or [problems]
            counted = [_counted(answers, some, rule, pool) for some in pieces]
        votes, compared = (pl.concat(parts) for parts in zip(*counted, strict=True))
        tables.write(votes, args.output, voting.VOTES, voting.VOTES_KEY)
        tables.write(labels.changed(votes, problems), args.changed, labels.CHANGED, labels.CHANGED_KEY)
        metrics = labels.vote_metrics(votes, compared, rule)
        cli.write_metrics(metrics, args.metrics)
        args.plot.parent.mkdir(parents=True, exist_ok=True)
        labels.share_histogram(votes, compared).write_csv(args.plot)
        run.metrics(metrics | pool.metrics())


if __name__ == "__main__":
    cli.run(main)
