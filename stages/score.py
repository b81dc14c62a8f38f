"""Score answers that were made anywhere: avg, pass@k and maj@k with a 95 % interval, by this pipeline's judge.

python -m stages.score --traces extraction.jsonl --golds golds.jsonl --output metrics.json

Lines of the traces are {"problem_id": ..., "sample": 0, "text": ...}, of the golds {"problem_id": ..., "gold": ...}.
Files of lm-evaluation-harness (samples_*.jsonl), lighteval (details, JSON Lines or Parquet) and ReasonLite
(generation.jsonl) are read as they are; they know their golds, so that `--golds` may be left out.

A text that is null is unscored: it is not wrong, and it is not counted among the samples. One without a box and
without "the answer is" is read by what its last sentence comes to, or as a bare answer; `--strict` reads it as the
exams of this pipeline do, as no answer.
"""

from pathlib import Path

from stages.core.scoring import scoring
from stages.edge import params
from stages.edge.cli import running
from stages.edge.files.metrics import write_metrics
from stages.edge.results import foreign


def main() -> None:
    """Judge every sample and write the scores."""
    parser = running.parser(__doc__, "traces", "output")
    parser.add_argument("--golds", type=Path, help="needed where the traces do not hold them")
    parser.add_argument("--strict", action="store_true", help="only boxes and statements are answers")
    args = parser.parse_args()
    limits = params.load(params.SymbolicLimits, "symbolic")
    runtime = params.load(params.Runtime, "runtime")
    settings = params.load(params.Report, "report")
    answers = foreign.read(args.traces, args.golds)
    marks, traces = foreign.judged(answers, args.strict, limits, runtime)
    metrics = scoring.summary(marks, traces, settings.num_resamples, settings.seed)
    metrics["num_golds_without_samples"] = len(answers.golds.keys() - {each.problem_id for each in answers.samples})
    write_metrics(metrics, args.output)
    shown = {key: value for key, value in metrics.items() if key != "problems"}
    print("\n".join(f"{key:<26} {value}" for key, value in shown.items()))


if __name__ == "__main__":
    running.run(main, is_stage=False)
