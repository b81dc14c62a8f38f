"""Comparisons of runs as a person reads them: which two, how much better, over which problems, with which settings."""

import argparse
import json
from functools import cached_property
from pathlib import Path

import polars as pl

from stages.core.scoring import differences, over_seeds
from stages.core.scoring import results as core
from stages.core.scoring.scores import SCORES
from stages.core.scoring.scoring import Method
from stages.edge import params
from stages.edge.errors import InputError
from stages.edge.files import lockfile
from stages.edge.results import foreign, history, revisions
from stages.edge.results.history import KeptRun
from stages.edge.results.revisions import WORKSPACE, Revision

SHOWN = 5
"""Ids of problems gained or lost that are named, and settings of a run in the list."""
SHOWN_CHARS = 60


class Runs:
    """The runs of a checkout, and names for them."""

    def __init__(self, folder: Path) -> None:
        """What lies in `folder` is kept as a run, if its report ran: it may have come from DVC's cache."""
        self.folder = folder
        self.current = self._keep_workspace()

    @cached_property
    def kept(self) -> list[KeptRun]:
        """The kept runs, the newest first."""
        return history.runs(self.folder)

    @cached_property
    def committed(self) -> dict[str, object]:
        """The settings of the last commit."""
        return revisions.settings_at(self.folder, "HEAD")

    def pair(self, one: str | None, other: str | None) -> tuple[Revision, Revision]:
        """The two that are meant; see the head of `stages.compare`.

        Raises:
            InputError: there is no such run, or nothing to compare with.
        """
        if one is not None:
            return self.load(one), self.load(other or WORKSPACE)
        if self.current is None:
            raise InputError("there are no scores here: run `dvc repro`, or name two runs (--list shows them)")
        run = history.baseline(self.kept, self.current, self.committed)
        if run is None:
            mine = self.current.settings == self.committed
            raise InputError(
                "this is your only run of the committed settings: change something and run again, or name two runs"
                if mine
                else "the committed settings were never run here: run `dvc repro` with them once, or name a run to "
                "compare with (--list shows them)"
            )
        return self.of(run), self.load(WORKSPACE)

    def load(self, name: str) -> Revision:
        """A run by its name: in the list, or of a DVC experiment, a branch or a commit."""
        found = [run for run in self.kept if name in (run.name, run.experiment)]
        if found and name != WORKSPACE:
            return self.of(found[0])
        return revisions.load(self.folder, name, "report", SCORES)

    def run_of(self, revision: Revision) -> KeptRun | None:
        """The kept run with the scores and settings of a revision."""
        for run in self.kept:
            table = run.scores(SCORES)
            if run.settings == revision.settings and table is not None and revision.table.equals(table):
                return run
        return None

    def of(self, run: KeptRun) -> Revision:
        """Scores and settings of a kept run.

        Raises:
            InputError: another version of the program wrote them.
        """
        table = run.scores(SCORES)
        if table is None:
            raise InputError(f"{run.label}: another version of the program wrote its scores: run its settings again")
        return Revision(run.label, table, run.settings)

    def _keep_workspace(self) -> KeptRun | None:
        for out in lockfile.read(self.folder).get("report", lockfile.LockedStage({}, {}, {})).outs:
            if out.endswith(".parquet") and (self.folder / out).is_file():
                name = history.keep(self.folder / out, self.folder)
                return next(run for run in history.runs(self.folder) if run.name == name)
        return None


def show(runs: Runs, one: Revision, other: Revision, method: Method) -> None:
    """The difference of each student of two runs, problems gained and lost, the settings that differ."""
    before, after = (core.students(each.table, method, _order()) for each in (one, other))
    if one.table.equals(other.table):
        print(f"{other.name} and {one.name} have the same scores: there is no difference to show")
    else:
        print(f"{other.name} against {one.name}, mean over the benchmarks, on the same problems:\n")
        for name in [name for name in before if name in after]:
            _show_student(name, before[name], after[name], (one, other), method)
        _show_repeats(runs, (one, other), method)
    differing = revisions.differing(one, other)
    print("\nsettings that differ:\n" if differing else "\nsettings that differ: none")
    for key, (left, right) in differing.items():
        print(f"- {key}: {_brief(left)} -> {_brief(right)}")


def _order() -> list[str]:
    return params.graph().chain


def _show_student(
    name: str, before: pl.DataFrame, after: pl.DataFrame, pair: tuple[Revision, Revision], method: Method
) -> None:
    try:
        difference = core.difference(before, after, method)
    except ValueError as error:
        raise InputError(f"{pair[0].name} and {pair[1].name} had other exams: {error}") from error
    if difference is None:
        print(f"- {name}: unscored")
    elif before.equals(after):
        print(f"- {name}: no difference")
    else:
        efforts = [table["effort"][0] or "none" for table in (before, after)]
        effort_note = f" (effort {efforts[0]}, then {efforts[1]})" if len(set(efforts)) > 1 else ""
        _show_difference(f"{name}{effort_note}", difference, before, after)


def _show_repeats(runs: Runs, pair: tuple[Revision, Revision], method: Method) -> None:
    """How far the same recipe moves with another seed of training, where that was tried."""
    for revision in pair:
        run = runs.run_of(revision)
        again = history.repeated(runs.kept, run) if run else []
        tables = [
            core.students(table, method, _order()) for each in again if (table := each.scores(SCORES)) is not None
        ]
        if len(tables) < 2:
            continue
        last = next((name for name in reversed(_order()) if all(name in table for table in tables)), None)
        means = [mean for table in tables if last and (mean := over_seeds.run_mean(table[last])) is not None]
        if len(means) > 1:
            print(
                f"\n{revision.name}, over {len(means)} seeds of training: {last} from {100 * min(means):.1f} to "
                f"{100 * max(means):.1f}, standard deviation {100 * over_seeds.spread(means):.1f} points "
                "(--over seeds compares with that)"
            )


def show_over_seeds(runs: Runs, one: Revision, other: Revision, method: Method) -> None:
    """The difference of each student over all runs of both recipes that differ in seeds of training alone.

    Raises:
        InputError: a side has fewer than three such runs, or both are of one recipe.
    """
    sides = [runs.run_of(each) for each in (one, other)]
    if sides[0] is None or sides[1] is None:
        missing = one if sides[0] is None else other
        raise InputError(f"{missing.name} is no run of this checkout: --over seeds needs its repetitions (--list)")
    if sides[0].recipe == sides[1].recipe:
        raise InputError("both runs are of the same settings but for seeds of training: there is nothing to compare")
    again = [history.repeated(runs.kept, side) for side in sides if side]
    for side, repeats in zip(sides, again, strict=True):
        if len(repeats) < over_seeds.FEWEST_RUNS:
            raise InputError(
                f"{side and side.label}: {len(repeats)} of the {over_seeds.FEWEST_RUNS} seeds of training that an "
                "interval needs were run; add others, as in `dvc exp run --queue -S "
                "'profiles.PROFILE.train.STAGE.seed=1,2,3'`"
            )
    counts = " and ".join(str(len(each)) for each in again)
    print(f"{other.name} against {one.name}, over {counts} seeds of training, mean over the benchmarks:\n")
    tables = [[core.students(runs.of(run).table, method, _order()) for run in each] for each in again]
    shared = [name for name in tables[0][0] if all(name in table for each in tables for table in each)]
    for name in shared:
        try:
            found = over_seeds.difference(*([table[name] for table in each] for each in tables))
        except ValueError as error:
            raise InputError(f"{one.name} and {other.name} had other exams: {error}") from error
        if found is None:
            print(f"- {name}: unscored")
            continue
        numbers = {"value": found.interval.value, "ci_low": found.interval.low, "ci_high": found.interval.high}
        print(f"- {name}: {core.gain(numbers, over_seeds=True)}")
        for revision, means in ((one, found.first_means), (other, found.second_means)):
            listed = ", ".join(f"{100 * mean:.1f}" for mean in means)
            print(f"    {revision.name}: {listed}; standard deviation {100 * over_seeds.spread(means):.1f}")


def show_list(runs: Runs, method: Method) -> None:
    """The runs of this checkout: the mean of the last student, and what differs from the committed settings."""
    if not runs.kept:
        print("no run was kept: `dvc repro` keeps its scores")
        return
    committed = Revision("HEAD", pl.DataFrame(), runs.committed)
    for run in runs.kept:
        table = run.scores(SCORES)
        students = core.students(table, method, _order()) if table is not None else {}
        last = next((name for name in reversed(_order()) if name in students), None)
        mean = over_seeds.run_mean(students[last]) if last else None
        differing = revisions.differing(committed, Revision(run.name, pl.DataFrame(), run.settings))
        changes = [f"{key}={_brief(right)}" for key, (_, right) in differing.items()]
        more = f", and {len(changes) - SHOWN} more" if len(changes) > SHOWN else ""
        here = " *" if runs.current and run.name == runs.current.name else ""
        result = f"{last} {100 * mean:.1f}" if mean is not None else "no scores of this version"
        print(f"{run.name}{here}  {run.label}  {result}  {', '.join(changes[:SHOWN]) or 'committed settings'}{more}")
    if runs.current:
        print("* is what lies here")


def show_files(args: argparse.Namespace, places: list[Path], method: Method) -> None:
    """The paired difference between two files of scores or answers, problems gained and lost.

    Raises:
        InputError: a file is missing or is none of the kinds that are read.
    """
    if missing := [place for place in places if not place.is_file()]:
        raise InputError(f"{missing[0]}: there is no such file; name two files or two revisions")
    limits, runtime = params.load(params.SymbolicLimits, "symbolic"), params.load(params.Runtime, "runtime")
    metrics, students = (_of_each(name, getattr(args, name)) for name in ("metric", "student"))
    one, other = (
        foreign.scored(place, args.golds, metric, student, args.strict, limits, runtime)
        for place, metric, student in zip(places, metrics, students, strict=True)
    )
    before, after, num_alone = foreign.paired(one, other)
    difference = core.difference(before, after, method)
    print(f"{args.b} against {args.a}, on the {before.height} problems that both have:\n")
    if num_alone:
        print(f"{num_alone} problems stand in one file only and are left out\n")
    if difference is None:
        print("unscored: no problem has a scored answer in both")
        return
    for name, table in ((args.a, before), (args.b, after)):
        share = (table["num_correct"] / table["num_samples"]).fill_nan(None).mean()
        print(f"- {name}: {'unscored' if share is None else f'{100 * float(str(share)):.1f} %'}")
    _show_difference("difference", difference, before, after)


def _of_each(name: str, values: list[str] | None) -> list[str | None]:
    """What an option gives for each file."""
    if values is not None and len(values) > 2:
        raise InputError(f"--{name} takes one name for both files, or one for each")
    return [None, None] if values is None else [values[0], values[-1]]


def _show_difference(name: str, difference: dict[str, float], before: pl.DataFrame, after: pl.DataFrame) -> None:
    gained, lost = differences.gained_and_lost(before, after)
    print(f"- {name}: {core.gain(difference)}; {len(gained)} problems gained, {len(lost)} lost")
    for word, ids in (("gained", gained), ("lost", lost)):
        if ids:
            print(f"    {word} {', '.join(map(_brief, ids[:SHOWN]))}{', ...' if len(ids) > SHOWN else ''}")


def _brief(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)
    text = "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)
    return text if len(text) <= SHOWN_CHARS else text[:SHOWN_CHARS] + "..."
