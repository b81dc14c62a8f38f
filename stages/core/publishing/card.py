"""The card of a published data set, from the pipeline's own numbers."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from stages.core.publishing.markdown import escaped


class Set(NamedTuple):
    """One configuration of the data set: its name, and what curation counted (`account.metrics`)."""

    name: str
    figures: Mapping[str, Any]


class Origin(NamedTuple):
    """Where the rows come from."""

    title: str
    commit: str
    """Of this project's repository."""
    teachers: Sequence[str]
    sources: Mapping[str, str]
    """What each source is, by its name: a hub data set with its commit, a file, or generated."""
    collected: Mapping[str, Any]
    """`collection.metrics`."""


def card(sets: Sequence[Set], origin: Origin) -> str:
    """README.md with the front matter that the hub and `datasets` read."""
    configs = "\n".join(
        f"- config_name: {json.dumps(each.name)}\n  data_files:\n  - split: train\n    path: "
        f"{json.dumps(f'{each.name}/*.parquet')}"
        for each in sets
    )
    lines = [
        "---",
        "task_categories: [text-generation]",
        "tags: [math, reasoning, distillation, reasonlite-dvc]",
        f"configs:\n{configs}",
        "---",
        f"# {escaped(origin.title)}",
        "",
        f"Reasoning traces of {' and '.join(map(escaped, origin.teachers))}, judged, curated and written as "
        "conversations: a problem, and an answer whose reasoning stands in `<think>`. Made by one `dvc repro` of "
        f"ReasonLite-DVC at commit `{origin.commit}`; `evidence/` holds what was rejected, and why.",
        "",
        *sizes(sets),
        "",
        "## Problems",
        "",
        "| source | from | rows | duplicates | in an exam | kept |",
        "|---|---|---|---|---|---|",
        *(_source_line(name, origin) for name in origin.sources),
        "",
        _decontamination(origin.collected),
        "",
        "The licences are those of the sources and of the teacher; look there before you use it.",
        "",
        "## From traces to rows",
        "",
        *funnel(sets),
        "",
    ]
    return "\n".join(lines)


def sizes(sets: Sequence[Set]) -> list[str]:
    """Lines of a table: how large each set is."""
    heads = ("| configuration | rows | problems | tokens | median tokens of a row |", "|---|---|---|---|---|")
    return [*heads, *(_set_line(each) for each in sets)]


def _set_line(each: Set) -> str:
    figures = each.figures
    numbers = (figures["num_rows"], figures["num_problems"], figures["num_tokens"], figures["tokens"].get("median", 0))
    return f"| {escaped(each.name)} | {' | '.join(f'{number:,}' for number in numbers)} |"


def _source_line(name: str, origin: Origin) -> str:
    found = origin.collected["by_source"].get(name, {})
    names = ("num_rows", "num_duplicates", "num_contaminated", "num_problems")
    return f"| {escaped(name)} | {origin.sources[name]} | {' | '.join(f'{found.get(each, 0):,}' for each in names)} |"


def _decontamination(collected: Mapping[str, Any]) -> str:
    found = [
        f"{number:,} by `{rule}` against {escaped(benchmark)}"
        for rule, by_benchmark in collected["contaminated"].items()
        for benchmark, number in by_benchmark.items()
    ]
    told = "; ".join(found) if found else "none was found"
    return f"Problems that stand in an exam were dropped: {told}."


def funnel(sets: Sequence[Set]) -> list[str]:
    """Lines of a table: traces, what each filter took that took any, rows."""
    lines = [f"| filter | {' | '.join(escaped(each.name) for each in sets)} |", f"|---|{'---|' * len(sets)}"]
    lines += [f"| traces | {' | '.join(format(each.figures['num_traces'], ',') for each in sets)} |"]
    reasons = [
        reason for reason in sets[0].figures["rejected"] if any(each.figures["rejected"][reason] for each in sets)
    ]
    for reason in reasons:
        taken = [format(each.figures["rejected"][reason], ",") for each in sets]
        lines.append(f"| {reason} | {' | '.join(f'-{number}' for number in taken)} |")
    return [*lines, f"| rows | {' | '.join(format(each.figures['num_rows'], ',') for each in sets)} |"]
