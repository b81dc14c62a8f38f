"""A plan as a document for programs, and its text for a terminal of 100 columns; both hold the same numbers."""

import math
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from stages.core.planning import planning, reasons
from stages.core.planning.planning import Basis, Figure, Work
from stages.core.planning.reasons import Reasons

WIDTH = 100
SIGNS = {Basis.ASSUMED: "=", Basis.PRIOR: "~", Basis.BOUND: "<"}
LEGEND = "~ published or measured elsewhere   < at most   = as you said   ? not known   unmarked: set, counted"
NOT_COUNTED = (
    "Not counted: downloads, the reading of prompts, the start of engines on GPUs, exams of checkpoints. Rates of "
    "votes, verdicts and curation are of two cores, however many there are. DVC's cache "
    "shares the outs' bytes where the disk can link files (cache.type), and takes as much again where it cannot."
)
COLUMNS = {
    "problems": ("problems", 8), "samples": ("samples", 9), "prompt_tokens": ("prompt", 8), "tokens": ("tokens", 8),
    "steps": ("steps", 8), "gpu_hours": ("GPU h", 8), "cost": ("cost", 9), "wall_hours": ("time", 9),
    "outs_bytes": ("outs", 9),
}  # fmt: skip
SUMMED = ("prompt_tokens", "gpu_hours", "cost", "wall_hours", "outs_bytes", "other_bytes")
SPARED = ("gpu_hours", "cost", "wall_hours")
COMPARED = {"samples": "samples or rows", "tokens": "tokens", "wall_hours": "time", "outs_bytes": "outs"}
COMPARABLE = ("problems", "prompt_tokens", "steps", *COMPARED)
Row = dict[str, Any]


class Planned(NamedTuple):
    """A stage in a plan: what DVC would do with it, why, and its work."""

    verdict: str
    changed: Sequence[str]
    is_to_run: bool
    work: Work
    reasons: Reasons
    can_be_accepted: bool


def document(
    profile: str,
    stages: Mapping[str, Planned],
    num_gpus: int,
    price: float | None,
    before: Mapping[str, Work],
    happened: Mapping[str, Mapping[str, float]],
) -> dict[str, Any]:
    """The plan in plain values. `before` is the work as it would have been planned before anything ran.

    Every figure is {"value", "basis"}, its value null where it is not known; a field that does not apply is null.
    """
    figures = {name: _figures(each.work, num_gpus, price) for name, each in stages.items()}
    to_run = {name: figures[name] for name, each in stages.items() if each.is_to_run}
    to_accept = {name: figures[name] for name, each in stages.items() if each.can_be_accepted}
    known = [figure for row in to_run.values() for figure in row.values() if figure is not None]
    return {
        "profile": profile,
        "gpus": num_gpus,
        "price_per_gpu_hour": price,
        "stages": [
            {
                "stage": name,
                "dvc": each.verdict,
                "changed": list(each.changed),
                "why": each.reasons.plain(),
                "accept": _accepting([name]) if each.can_be_accepted else [],
                **_plain(figures[name]),
            }
            for name, each in stages.items()
        ],
        "to_run": {"num_stages": len(to_run), **{field: _sum(to_run, field) for field in SUMMED}},
        "to_accept": {"num_stages": len(to_accept), **{field: _sum(to_accept, field) for field in SPARED}},
        "not_known": _waiting(to_run, is_known=False),
        "only_bounded": _waiting(to_run, is_known=True),
        "sources": _sources(known),
        "happened": list(_compared(before, happened, num_gpus)),
    }


def _accepting(names: Sequence[str]) -> list[str]:
    """The commands that check that the present code leaves the outs of stages as they are, and then tell DVC so."""
    trained = [name for name in names if name.startswith("train@")]
    others = [name for name in names if name not in trained]
    checks = [f"python -m stages.verify {' '.join(others)}"] if others else []
    # The record stands in code that `train` depends on: it comes before the commit.
    checks += [f"python -m stages.verify {' '.join(trained)} --record"] if trained else []
    return [*checks, f"dvc commit -f {' '.join(names)}"]


def _figures(work: Work, num_gpus: int, price: float | None) -> dict[str, Figure | None]:
    is_timed = work.gpu_hours is not None or work.machine_hours is not None
    return {
        **{name: value for name, value in work._asdict().items() if name not in ("machine_hours", "all_tokens")},
        "wall_hours": planning.wall_hours(work, num_gpus) if is_timed else None,
        "cost": planning.cost(work, price) if is_timed else None,
    }


def _plain(row: Mapping[str, Figure | None]) -> Row:
    return {
        field: None if each is None else {"value": each.value, "basis": str(each.basis)} for field, each in row.items()
    }


def _sum(rows: Mapping[str, Mapping[str, Figure | None]], field: str) -> Row | None:
    parts = {name: row[field] for name, row in rows.items()}
    applicable = {name: each for name, each in parts.items() if each is not None}
    if not applicable and rows:
        return None
    known = {name: each for name, each in applicable.items() if each.is_known and each.value}
    if not known and any(not each.is_known for each in applicable.values()):
        return {"value": None, "basis": str(Basis.UNKNOWN), "at_most": [], "without": list(applicable)}
    bounded = [name for name, each in known.items() if each.basis == Basis.BOUND]
    # A sum of estimates and bounds is an estimate; it names the bounds that are in it.
    rest = planning.total(each for name, each in known.items() if name not in bounded)
    return {
        "value": planning.total(known.values()).value,
        "basis": str(rest.basis if len(bounded) < len(known) or not known else Basis.BOUND),
        "at_most": bounded,
        "without": [name for name, each in applicable.items() if not each.is_known],
    }


def _sources(figures: Iterable[Figure]) -> list[Row]:
    """Each source once, with what is taken from it."""
    keys_of: dict[tuple[float, str], list[str]] = {}
    for source in dict.fromkeys(source for figure in figures for source in figure.sources):
        keys_of.setdefault((source.value, source.text), []).append(source.key)
    return [{"of": keys, "value": value, "source": text} for (value, text), keys in keys_of.items()]


def _waiting(rows: Mapping[str, Mapping[str, Figure | None]], *, is_known: bool) -> dict[str, list[str]]:
    """The keys of `--assume` that would help, with the stages that need them."""
    waiting: dict[str, list[str]] = {}
    for name, row in rows.items():
        for figure in row.values():
            for key in figure.missing if figure is not None and figure.is_known == is_known else ():
                if name not in waiting.setdefault(key, []):
                    waiting[key].append(name)
    return {key: names for key, names in waiting.items() if not (is_known and key in _waiting(rows, is_known=False))}


def _compared(before: Mapping[str, Work], happened: Mapping[str, Mapping[str, float]], num_gpus: int) -> Iterator[Row]:
    for name, work in before.items():
        planned = _plain(_figures(work, num_gpus, None))
        for field in COMPARABLE:
            if field in happened.get(name, {}) and planned[field] is not None:
                yield {"stage": name, "field": field, "planned": planned[field], "happened": happened[name][field]}


def text(plan: Mapping[str, Any]) -> Iterator[str]:
    """The lines of a plan."""
    price = plan["price_per_gpu_hour"]
    shown = {field: column for field, column in COLUMNS.items() if field != "cost" or price is not None}
    num, every = plan["to_run"]["num_stages"], len(plan["stages"])
    costs = f", {price:g} a GPU hour" if price is not None else ""
    needed = any(row["gpu_hours"] and row["gpu_hours"]["value"] != 0 for row in plan["stages"])
    machine = f"{plan['gpus']} GPU{'s' * (plan['gpus'] > 1)}{costs}" if needed else "no GPU needed"
    yield f"{plan['profile']}: {num} of {every} stages to run, {machine}"
    yield ""
    yield f"{'stage':<15}{'dvc':<9}" + "".join(f"{title:>{width}}" for title, width in shown.values())
    for row in plan["stages"]:
        cells = "".join(f"{_cell(field, row[field]):>{width}}" for field, (_, width) in shown.items())
        yield f"{row['stage']:<15}{row['dvc']:<9}{cells}".rstrip()
    yield from _totals(plan["to_run"], shown)
    yield from _why(plan["stages"], plan["to_accept"])
    yield f"\n{LEGEND}\n"
    yield from _wrapped(NOT_COUNTED)
    for key, why in (("not_known", "Not known"), ("only_bounded", "Only bounded")):
        for name, stages in plan[key].items():
            yield from _wrapped(f"{why}: say it with --assume {name}=NUMBER ({', '.join(stages)})")
    if plan["sources"]:
        yield "\nTaken from elsewhere"
        for source in plan["sources"]:
            more = f" and {len(source['of']) - 2} more" if len(source["of"]) > 2 else ""
            of = ", ".join(source["of"][:2]) + more
            yield from _wrapped(f"- {of}: {_plainly(source['value'])} ({source['source']})", indent="  ")
    yield from _history(plan["happened"])


def _why(rows: Sequence[Row], spared: Row) -> Iterator[str]:
    """What changed for the stages that run, and what to do where only code changed."""
    if running := {row["stage"]: row["why"] for row in rows if row["dvc"] == "runs"}:
        yield "\nWhy they run"
        yield from reasons.lines(running, WIDTH)
    if accepted := [row["stage"] for row in rows if row["accept"]]:
        cells = {field: _cell(field, spared[field]) for field in SPARED}
        more = {field: " and more" for field in SPARED if cells[field] not in ("", "?") and spared[field]["without"]}
        costs = [f"{COLUMNS[field][0]} {cell}{more.get(field, '')}" for field, cell in cells.items() if cell]
        yield ""
        yield from _wrapped(
            "Only code changed here: check that the outs are still right, and keep them without a run "
            f"({', '.join(costs) or 'its time is not known'})"
        )
        *checks, commit = _accepting(accepted)
        for check in checks:
            yield from _command(f"{check} &&")
        yield from _command(commit)


def _command(line: str) -> Iterator[str]:
    """A command to copy, broken so that a shell reads it as one."""
    *first, last = textwrap.wrap(line, WIDTH - 4, subsequent_indent="  ", break_on_hyphens=False)
    yield from (f"  {each} \\" for each in first)
    yield f"  {last}"


def _totals(to_run: Row, shown: Mapping[str, tuple[str, int]]) -> Iterator[str]:
    if not to_run["num_stages"]:
        return
    cells = "".join(f"{_cell(field, to_run.get(field)):>{width}}" for field, (_, width) in shown.items())
    yield f"{'to run':<24}{cells}".rstrip()
    for key, text in (("without", "Not in it, since not known"), ("at_most", "In it with the most that they may take")):
        names = dict.fromkeys(name for field in SUMMED for name in (to_run[field] or {}).get(key, ()))
        if names:
            yield from _wrapped(f"{text}: {', '.join(names)}")
    if to_run["other_bytes"]:
        yield f"answer store and checkpoints while training: {_cell('other_bytes', to_run['other_bytes'])}"


def _history(rows: Sequence[Row]) -> Iterator[str]:
    if not rows:
        return
    by_stage: dict[str, dict[str, Row]] = {}
    for row in rows:
        by_stage.setdefault(row["stage"], {})[row["field"]] = row
    yield "\nWhat happened, and what would have been planned before"
    yield f"{'':<16}" + "".join(f"{title:>20}" for title in COMPARED.values())
    yield f"{'stage':<16}" + f"{'planned':>11}{'counted':>9}" * len(COMPARED)
    for stage, fields in by_stage.items():
        pairs = [fields.get(field) or (fields.get("problems") if field == "samples" else None) for field in COMPARED]
        cells = (
            (_cell(row["field"], row["planned"]), _number(row["field"], row["happened"])) if row else ("", "")
            for row in pairs
        )
        yield (f"{stage:<16}" + "".join(f"{planned:>11}{counted:>9}" for planned, counted in cells)).rstrip()


def differing(one: str, other: str, settings: Mapping[str, Sequence[object]]) -> Iterator[str]:
    """The settings in which two profiles differ, as lines."""
    yield f"\nsettings that differ: {one} -> {other}\n"
    for key, (left, right) in settings.items():
        yield from _wrapped(f"- {key}: {reasons.short(left, 60)} -> {reasons.short(right, 60)}", indent="  ")


def _cell(field: str, figure: Mapping[str, Any] | None) -> str:
    if figure is None or (field in ("gpu_hours", "cost") and figure["value"] == 0):
        return ""
    if figure["value"] is None:
        return "?"
    return SIGNS.get(figure["basis"], "") + _number(field, figure["value"])


def _number(field: str, value: float) -> str:
    if field.endswith("_bytes"):
        return _scaled(value, " B", (" kB", " MB", " GB", " TB", " PB"))
    if field == "wall_hours":
        return _time(value)
    if field in ("gpu_hours", "cost"):
        return f"{value:,.0f}" if value >= 100 else f"{value:.3g}" if value >= 0.01 else f"{value:.2f}"
    return _scaled(value, "", ("K", "M", "G", "T"))


def _time(hours: float) -> str:
    if hours >= 1:
        return f"{hours:,.0f} h" if hours >= 100 else f"{hours:.3g} h"
    minutes = hours * 60
    return f"{minutes:.2g} min" if minutes >= 1 else f"{math.ceil(minutes * 60)} s"


def _plainly(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _scaled(value: float, unit: str, larger: Sequence[str]) -> str:
    for each in larger:
        if value < 1000:
            break
        value, unit = value / 1000, each
    return f"{value:.3g}{unit}" if value < 999.5 else f"{value:,.0f}{unit}"


def _wrapped(line: str, indent: str = "") -> list[str]:
    return textwrap.wrap(line, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
