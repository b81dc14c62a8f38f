"""The candidates of one SFT stage -> the student: the last one, the best, or the mean of all.

python -m stages.choose --stage turbo --candidates models/candidates/turbo --held-out data/held_out/turbo \
    --trained metrics/train_turbo.json --output models/turbo --card models/turbo.md \
    --metrics metrics/choose_turbo.json
"""

import argparse
from pathlib import Path

from stages.core.checkpoints import scores
from stages.core.checkpoints.card import card
from stages.edge import params, track
from stages.edge.cli import running
from stages.edge.files import scratch, tables
from stages.edge.files.metrics import read_metrics, write_metrics, write_text
from stages.edge.models import weights
from stages.edge.training import averaging, candidates


def main() -> None:
    """Examine the candidates where the choice goes by an exam, and write the student with its card."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stage", required=True, help="section of `train` in params.yaml")
    for name in ("candidates", "held-out", "trained", "output", "card", "metrics"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    args = parser.parse_args()
    choice = params.load_part(params.Choice, f"train.{args.stage}")
    limits = params.load(params.SymbolicLimits, "symbolic")
    versions = params.load_shared(params.Versions, "versions")
    runtime = params.load(params.Runtime, "runtime")
    with track.stage(f"choose@{args.stage}", choice.model_dump()) as run:
        trained, saved = read_metrics(args.trained), candidates.read(args.candidates)
        chosen, by_step = saved.folders, {}
        if choice.is_examined and choice.checkpoint_exam:
            from stages.edge.training import checkpoint_exam  # which loads the client of a server, and takes seconds

            params.check_versions(versions)
            rows = tables.read(args.held_out, scores.HELD_OUT_IN)
            each = checkpoint_exam.examine(chosen, rows, choice.checkpoint_exam, limits, runtime, run.metrics)
            by_step = {folder.name: score._asdict() for folder, score in zip(chosen, each, strict=True)}
            chosen = [chosen[scores.best(each, by_pass=choice.keep == "best_pass")]]
        steps = [int(folder.name) if folder.name.isdigit() else trained["num_steps"] for folder in chosen]
        figures = {"kept_steps": steps, **({"checkpoint_exam": by_step} if by_step else {})}
        with scratch.replacing(args.output) as partial:
            averaging.average(chosen, partial)
        # Not among the weights: its words would make their exams stale.
        write_text(card(args.stage, **saved.origin, figures={**trained, **figures}), args.card)
        write_metrics(figures, args.metrics)
        run.metrics(figures)
        run.tags({"identity": weights.identity(args.output)})


if __name__ == "__main__":
    running.run(main)
