"""One SFT stage: a student's weights and an SFT set -> candidates for the next weights, on TRL's SFTTrainer.

python -m stages.train --stage turbo --init models/base --sft data/sft/turbo --held-out data/held_out/turbo \
    --output models/candidates/turbo --losses data/train_log/turbo.csv --metrics metrics/train_turbo.json

`--check` looks at the rows and settings, shows what the run would do, and ends.
"""

import argparse
import hashlib
import os
import shutil
import sys
from pathlib import Path
from typing import Any

from stages.core.training import batching, keeping, loss_log, preflight
from stages.edge import params, track
from stages.edge.cli import running
from stages.edge.errors import EmptyError, SettingError
from stages.edge.files import scratch as places
from stages.edge.files import tables
from stages.edge.files.metrics import read_metrics, write_metrics
from stages.edge.files.paths import project_root
from stages.edge.models import weights
from stages.edge.training import candidates, checking, launch, resuming, token_file, watching


def main() -> None:
    """Train, going on from the last checkpoint of the same run, and write the candidates at the end."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stage", required=True, help="section of `train` in params.yaml")
    for name in ("init", "sft", "held-out", "output", "losses", "metrics"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--check", action="store_true", help="only show what a run would do")
    parser.add_argument("--scratch", type=Path, help=argparse.SUPPRESS)  # of a run that was prepared, for its processes
    args = parser.parse_args()
    settings = params.load_part(params.Training, f"train.{args.stage}")
    runtime = params.load(params.Runtime, "runtime")
    scratch = project_root(Path.cwd()) / ".cache" / "training" / _key(args, settings)
    is_prepared = args.scratch is not None
    if not is_prepared and (args.check or runtime.is_distributed):
        _prepare(args, settings, runtime, scratch)
        if args.check:
            return
        if not (scratch / "done").is_dir():
            raise running.Become(launch.command(runtime, ["stages.train", *sys.argv[1:], "--scratch", str(scratch)]))
        is_prepared = True
    with track.stage(f"train@{args.stage}", settings.model_dump()) as run, watching.failures(runtime):
        if not is_prepared:
            _prepare(args, settings, runtime, scratch)
        with resuming.claimed(scratch):
            if not (scratch / "done").is_dir():
                _train(args, settings, runtime, scratch, run)
            if os.environ.get("RANK", "0") == "0":
                resuming.sweep(scratch)
        if os.environ.get("RANK", "0") == "0":
            run.metrics(_publish(scratch / "done", args, settings))


def _key(args: argparse.Namespace, settings: params.Training) -> str:
    """What determines the candidates. Machine settings are no part of it: a run may go on elsewhere."""
    kept = {"keep": keeping.kept_by(settings.keep)}
    parts = [checking.version(), settings.model_copy(update=kept).model_dump_json()]
    for table in (args.sft, *([args.held_out] if settings.held_out_every else [])):
        parts += ["table", *(tables.content_hash(file) for file in tables.files(table))]
    parts.append(weights.identity(args.init))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:24]


def _prepare(args: argparse.Namespace, settings: params.Training, runtime: params.Runtime, scratch: Path) -> None:
    """Look at the rows and their tokens, and show what the run will do.

    Raises:
        PipelineError: the run would go wrong.
    """
    if (scratch / "done").is_dir() and not args.check:
        return
    if not sum(map(tables.height, tables.files(args.sft))):
        raise EmptyError(
            f"{args.sft} holds no row to train on; loosen the filters of curate.{args.stage} in params.yaml"
        )
    if runtime.deepspeed:
        _check_deepspeed(Path(runtime.deepspeed))
    num_candidates = keeping.num_candidates(settings.keep, settings.num_checkpoints)
    resuming.check_space(scratch, args.init, args.sft, num_candidates)
    positions = settings.max_positions or weights.positions(args.init)
    for section, budget in params.exam_budgets(args.stage).items():
        if positions is not None and budget >= positions:
            raise SettingError(
                f"params.yaml: an exam lets {args.stage} write {budget} tokens, but it is for {positions} positions: "
                f"set train.{args.stage}.max_positions, or lower {section}.max_tokens"
            )
    with resuming.claimed(scratch):
        if (scratch / "done").is_dir() and not args.check:
            return  # another experiment trained the same meanwhile
        tokens = token_file.write(args.sft, args.init, scratch / "tokens")
        files = [tokens]
        if settings.held_out_every:
            files.append(token_file.write(args.held_out, args.init, scratch / "held_out"))
            if not len(files[1].lengths):
                raise EmptyError(
                    f"{args.held_out} holds no row to measure a loss on: set train.{args.stage}.held_out_every to "
                    f"null, or curate.{args.stage}.num_held_out_problems higher"
                )
    bounds = preflight.Bounds(params.max_length(args.stage), positions)
    wrong = [each for file in files for each in preflight.problems(file.lengths, file.num_prompt, bounds)]
    if wrong:
        raise SettingError(f"params.yaml: train.{args.stage}: {'; '.join(dict.fromkeys(wrong))}")
    longest = max(int(file.lengths.max()) for file in files)
    if longest > runtime.micro_batch_tokens:
        raise SettingError(
            f"params.yaml: runtime.micro_batch_tokens is {runtime.micro_batch_tokens}, but a row has {longest} tokens, "
            "and a trace is never cut: raise it, or lower curate's max_tokens"
        )
    resuming.check_machine(scratch, runtime)
    figures = preflight.summary(tokens.lengths, tokens.num_prompt, _plan(settings, len(tokens.lengths)))
    print(preflight.table(figures, preflight.histogram(tokens.lengths)), file=sys.stderr, flush=True)
    if not args.check:
        # What is known before the hours of training; the rest joins it then.
        write_metrics(figures, args.metrics)


def _check_deepspeed(file: Path) -> None:
    """Check that a machine setting decides no weights.

    Raises:
        PipelineError: the file cannot be read, or sets the optimiser or the schedule, which `train` does.
    """
    if not file.is_file():
        raise SettingError(f"params.yaml: runtime.deepspeed: {file} is no file")
    try:
        settings = read_metrics(file)
    except ValueError as error:
        raise SettingError(f"params.yaml: runtime.deepspeed: {file} is no JSON ({error}); mend it") from error
    if taken := {"optimizer", "scheduler"} & settings.keys():
        raise SettingError(
            f"params.yaml: runtime.deepspeed: {file} sets {' and '.join(sorted(taken))}, which decide the weights: "
            "leave them out, the settings of `train` say how it is trained"
        )


def _plan(settings: params.Training, num_rows: int) -> batching.Plan:
    return batching.Plan(num_rows, settings.batch_size, settings.epochs, settings.seed)


def _train(
    args: argparse.Namespace, settings: params.Training, runtime: params.Runtime, scratch: Path, run: track.Run
) -> None:
    plan = _plan(settings, len(token_file.TokenFile(scratch / "tokens").lengths))
    if not (scratch / "learned").is_dir():
        from stages.edge.training import learning

        learning.learn(settings, runtime, args.init, scratch, plan, run)
    if os.environ.get("RANK", "0") != "0":
        return
    partial = scratch / "partial"
    shutil.rmtree(partial, ignore_errors=True)
    candidates.from_run(scratch / "learned", resuming.kept(scratch), partial / "candidates")
    shutil.copyfile(scratch / "learned" / candidates.HISTORY, partial / candidates.HISTORY)
    partial.replace(scratch / "done")


def _publish(done: Path, args: argparse.Namespace, settings: params.Training) -> dict[str, Any]:
    """Copy a finished run's candidates to the stage's outs, with its loss curve and figures."""
    history = read_metrics(done / candidates.HISTORY)
    lengths, num_prompt = token_file.lengths(args.sft)
    plan = _plan(settings, len(lengths))
    losses = loss_log.table(history["log"], plan)
    figures = preflight.summary(lengths, num_prompt, plan) | loss_log.figures(losses)
    origin = {"init": str(args.init), "identity": weights.identity(args.init), "libraries": history["libraries"]}
    with places.replacing(args.output) as partial:
        shutil.copytree(done / "candidates", partial, dirs_exist_ok=True)
        write_metrics(origin, partial / candidates.ORIGIN)
    args.losses.parent.mkdir(parents=True, exist_ok=True)
    losses.write_csv(args.losses)
    write_metrics(figures, args.metrics)
    return figures


if __name__ == "__main__":
    running.run(main)
