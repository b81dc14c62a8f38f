"""A pseudo-label per problem from the answers of its traces.

python -m stages.vote --problems data/problems.parquet --answers data/answers/medium.parquet \
    --output data/votes/medium.parquet --changed data/changed_labels/medium.parquet \
    --metrics metrics/vote_medium.json --plot metrics/plots/vote_medium.csv
"""

from functools import partial

import polars as pl

from stages.core.labelling import labels, voting
from stages.core.tables.answers import ANSWERS
from stages.core.tables.votes import CHANGED, CHANGED_KEY, VOTES, VOTES_KEY
from stages.edge import params, track
from stages.edge.cli import running
from stages.edge.errors import InputError
from stages.edge.files import tables
from stages.edge.files.metrics import write_csv, write_metrics
from stages.edge.workers import algebra, shards

AT_ONCE = 10_000
"""Problems whose answers are counted together."""


def _counted(
    answers: pl.DataFrame, problems: pl.DataFrame, rule: labels.Rule, pool: algebra.Symbolic
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """`VOTES` and `labels.COMPARED` of some problems."""
    tallied = voting.tallies(answers.join(problems, on="problem_id", how="semi"))
    same = pool.decide(voting.pairs_to_decide(tallied.values()), "same")
    accepted = pool.decide(labels.gold_pairs_to_decide(tallied, problems), "accepts")
    votes = labels.votes(tallied, problems, same=same, accepted=accepted, rule=rule)
    return votes, labels.compare_with_gold(votes, tallied, problems, accepted)


def main() -> None:
    """Extract, group into classes of equal answers, count, and choose a label by the policy."""
    args = running.parser(__doc__, "problems", "answers", "output", "changed", "metrics", "plot").parse_args()
    settings = params.load(params.Vote, "vote")
    limits = params.load(params.SymbolicLimits, "symbolic")
    params.check_versions(params.load_shared(params.Versions, "versions"))
    runtime = params.load(params.Runtime, "runtime")
    with track.stage(f"vote@{tables.name(args.answers)}", settings.model_dump()) as run:
        problems = tables.read(args.problems, labels.PROBLEMS_IN)
        work = partial(voting.counted, models=settings.models)
        answers = pl.concat(shards.mapped(args.answers, ANSWERS, work, runtime.num_workers, runtime.pool))
        strangers = answers.select("problem_id").unique().join(problems, on="problem_id", how="anti")["problem_id"]
        if strangers.len():
            raise InputError(
                f"{args.answers}: {strangers.len()} problems with answers do not stand in {args.problems}, "
                f"such as {strangers.sort()[0]}; run `dvc repro`, which asks anew"
            )
        with algebra.symbolic(limits, runtime) as pool:
            pieces = list(problems.sort("problem_id").iter_slices(AT_ONCE)) or [problems]
            made = [_counted(answers, some, settings, pool) for some in pieces]
        votes, compared = (pl.concat(parts) for parts in zip(*made, strict=True))
        tables.write(votes, args.output, VOTES, VOTES_KEY)
        tables.write(labels.changed(votes, problems), args.changed, CHANGED, CHANGED_KEY)
        metrics = labels.vote_metrics(votes, compared, settings)
        write_metrics(metrics, args.metrics)
        write_csv(labels.share_histogram(votes, compared), args.plot)
        run.metrics(metrics | pool.metrics())


if __name__ == "__main__":
    running.run(main)
