"""Whether the present code makes the outs that stages left: a sample of their rows is made anew and compared.

python -m stages.verify vote@medium judge@medium
python -m stages.verify teach@high --problems 200
python -m stages.verify curate@final --whole

For where only code changed (`python -m stages.plan` names the stages): if the outs are equal, `dvc commit -f STAGE`
keeps them without a run. Nothing in the project changes, and no model is asked.

- teach, exam, baselines: the requests of some problems have the recorded keys, and the answers under these, from the
  answer store (on a host without it: from the out), are assembled to the same traces
- read, mark: rows of some problems
- the others look at all rows together, or count them, so they run on all of them
- train: loss, learning rate and norm of the gradient in the first steps, each within 0.1 % of the recorded one;
  `--record` notes that they are

For each stage it prints "equal", or what differs; it exits with 1 if a stage differs.
"""

import argparse
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import polars as pl

from stages.core.planning.reasons import shortened
from stages.edge import params
from stages.edge.cli import running
from stages.edge.errors import InputError, PipelineError
from stages.edge.planning import repro_state
from stages.edge.planning.repro_state import Stage
from stages.edge.verifying import comparing, rerun

BY_PROBLEM = ("read", "mark", "teach", "exam", "baselines")
"""Verbs that make the rows of a problem from those of the same problem, and nothing else."""
LEAST_STEPS = 3
TOLERANCE = 1e-3
"""Relative difference of losses that is taken for equal. The same code on one CPU gives the same losses to the last
digit; the rest is room for the order of sums in bfloat16 on other GPUs, which was not measured."""


def main() -> None:
    """Verify the named stages one after the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stages", nargs="+", metavar="STAGE")
    parser.add_argument("--problems", type=running.count, default=50, help="of which rows are made anew (50)")
    parser.add_argument("--whole", action="store_true", help="make all rows anew")
    parser.add_argument("--steps", type=running.count, default=3, help="of training that are run anew (3)")
    parser.add_argument("--record", action="store_true", help="note that the first steps of training are equal")
    args = parser.parse_args()
    known = repro_state.stages(Path.cwd(), params.text_with(params.profile()))
    if strangers := [name for name in args.stages if name not in known]:
        raise InputError(f"{strangers[0]}: is no stage of dvc.yaml, which has {', '.join(known)}")
    if args.record and (others := [name for name in args.stages if not name.startswith("train@")]):
        raise InputError(f"--record {others[0]}: only checks of train stages are recorded; leave it out")
    if args.record and args.steps < LEAST_STEPS:
        raise InputError(f"--record needs {LEAST_STEPS} steps at least: the first shows no update of the weights")
    unequal = [name for name in args.stages if not _is_equal(name, known[name], args)]
    if unequal:
        raise InputError(f"{', '.join(unequal)}: keep none of these outs; `dvc repro` makes them anew")
    if args.record:
        from stages.edge.training import checking

        checking.record()


def _is_equal(name: str, stage: Stage, args: argparse.Namespace) -> bool:
    """Verify one stage and print the result."""
    verb = name.partition("@")[0]
    try:
        _check_inputs(stage)
        if verb == "train":
            compared, differences = _first_steps(name.partition("@")[2], stage, args.steps)
        else:
            by_problem = verb in BY_PROBLEM and not args.whole and not _needs_all(verb)
            compared, differences = _outs(name, stage, rerun.sample(stage, args.problems) if by_problem else None)
    except PipelineError as error:
        print(f"{name}: not shown to be equal: {error}", flush=True)
        return False
    print(f"{name}: {'differs' if differences else 'equal'}: {compared}", *differences, sep="\n  ", flush=True)
    return not differences


def _check_inputs(stage: Stage) -> None:
    """Check that only code changed: otherwise the out may differ for another reason."""
    reasons = stage.reasons
    if reasons.is_new:
        raise InputError("it did not run here; run `dvc repro`")
    for kind, names in (("settings", reasons.settings), ("inputs", reasons.data), ("outs", reasons.outs)):
        if names:
            raise InputError(f"its {kind} changed since it ran ({shortened(list(names), 3)}); run `dvc repro`")


def _needs_all(verb: str) -> bool:
    """Whether settings make the rows of a problem depend on those of others."""
    if verb == "mark":  # the LLM judge is also asked about a sample of all pairs, for its agreement
        return params.load(params.Judge, "judge").llm is not None
    return verb in ("exam", "baselines") and params.load(params.Protocol, "exam.protocol").until is not None


def _outs(name: str, stage: Stage, ids: set[str] | None) -> tuple[str, list[str]]:
    """What was compared, and what differs."""
    project = Path.cwd()
    num_rows, not_compared, differences = 0, list[str](), list[str]()
    with rerun.run_again(project, name, stage, ids) as folder:
        for out in stage.outs:
            place = out.relative_to(project)
            if ids is not None and not comparing.is_table(out):
                not_compared.append(str(place))
                continue
            comparison = comparing.compare(out, folder / place, ids)
            num_rows += comparison.num_rows or 0
            differences += [f"{place}: {each}" for each in comparison.differences]
    num_outs = len(stage.outs) - len(not_compared)
    of = (
        "all rows and files"
        if ids is None
        else f"{len(ids)} problems in {num_outs} {'outs' if num_outs > 1 else 'out'}"
    )
    rows = f", {num_rows} rows" if num_rows else ""
    rest = f"; not compared, as they count all rows: {', '.join(not_compared)}" if not_compared else ""
    return f"{of}{rows}{rest}", differences


def _first_steps(key: str, stage: Stage, num_steps: int) -> tuple[str, list[str]]:
    """What was compared, and what differs, of the first steps and the recorded ones."""
    from stages.edge.training import checking

    options = rerun.options(stage.command)
    settings, runtime = params.load(params.Train, f"train.{key}"), params.load(params.Runtime, "runtime")
    recorded = pl.read_csv(options["losses"]).head(num_steps)
    steps = checking.first_steps(options["init"], options["sft"], settings, runtime, recorded.height)
    if len(steps) != recorded.height:
        raise InputError(f"{len(steps)} steps were made where {options['losses']} has {recorded.height}")
    compared = f"{', '.join(checking.COMPARED).replace('_', ' ')} of the first {recorded.height} steps"
    return compared, list(_different_steps(steps, recorded))


def _different_steps(steps: Sequence[Mapping[str, float]], recorded: pl.DataFrame) -> Iterator[str]:
    for now, before in zip(steps, recorded.iter_rows(named=True), strict=True):
        for name, value in now.items():
            if not math.isclose(value, before[name], rel_tol=TOLERANCE):
                yield f"step {before['step']}: {name.replace('_', ' ')} {value:.6g}, was {before[name]:.6g}"


if __name__ == "__main__":
    running.run(main, is_stage=False)
