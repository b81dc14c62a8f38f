"""A verdict per answer of the teacher, against the label of its problem.

python -m stages.judge --answers data/answers/medium.parquet --votes data/votes/medium.parquet \
    --output data/verdicts/medium.parquet --metrics metrics/judge_medium.json
"""

from functools import partial

from stages.core.labelling import judging
from stages.core.tables.answers import ANSWERS
from stages.core.tables.votes import LABELS
from stages.edge import params
from stages.edge.cli import running
from stages.edge.files import tables
from stages.edge.files.metrics import write_metrics
from stages.edge.workers.judging import Settings, judge


def main() -> None:
    """Judge the answers at one effort."""
    args = running.parser(__doc__, "answers", "votes", "output", "metrics").parse_args()
    rules = params.load(params.Judge, "judge")
    settings = Settings(
        limits=params.load(params.SymbolicLimits, "symbolic"),
        llm=rules.llm,
        versions=params.load_shared(params.Versions, "versions"),
    )
    prepare = partial(judging.prepare, labels=tables.read(args.votes, LABELS), rounded=rules.rounded_golds)
    stage = f"judge@{args.answers.stem}"
    metrics = judge(stage, settings, args.answers, ANSWERS, prepare, args.output, is_exam=False)
    write_metrics(metrics, args.metrics)


if __name__ == "__main__":
    running.run(main)
