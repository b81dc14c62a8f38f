"""The card of a published data set, from the pipeline's own numbers."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from stages.core.publishing import reviews
from stages.core.publishing.markdown import escaped, table


class SftSet(NamedTuple):
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
    servers: Mapping[str, Mapping[str, int]] = {}
    """Answers of each server by the name of a table of traces, where that was recorded."""


def card(sets: Sequence[SftSet], origin: Origin, reviewed: Sequence[Mapping[str, Any]] = ()) -> str:
    """README.md with the front matter that the hub and `datasets` read; `reviewed` is what `reviews.result` made."""
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
        *(line for name, counts in origin.servers.items() for line in servers(name, counts)),
        "## Problems",
        "",
        *_sources(origin),
        "",
        _decontamination(origin.collected),
        "",
        "The licences are those of the sources and of the teacher; look there before you use it.",
        "",
        "## From traces to rows",
        "",
        *funnel(sets),
        "",
        *_reviewed(reviewed),
    ]
    return "\n".join(lines)


def servers(name: str, counts: Mapping[str, int]) -> list[str]:
    """Lines that say which servers gave the answers of `name`, and that their versions are mixed if they are."""
    if not counts:
        return []
    listed = ", ".join(f"{escaped(server)} ({number:,} answers)" for server, number in sorted(counts.items()))
    mixed = " Versions are mixed." if len(counts) > 1 else ""
    return [f"Answered at {escaped(name)} by {listed}.{mixed}", ""]


def _reviewed(found: Sequence[Mapping[str, Any]]) -> list[str]:
    if not found:
        return []
    text = (
        "A person looked at rows drawn at random by stratum. In brackets the 95% interval of the share of all rows "
        "that are wrong, each stratum weighted by its size."
    )
    return ["## Looked at by people", "", text, "", *reviews.lines(found), ""]


def sizes(sets: Sequence[SftSet]) -> list[str]:
    """Lines of a table: how large each set is."""
    rows = []
    for name, figures in sets:
        counts = [figures[key] for key in ("num_rows", "num_problems", "num_tokens")]
        rows.append([escaped(name), *_counts([*counts, figures["tokens"].get("median", 0)])])
    return table(["configuration", "rows", "problems", "tokens", "median tokens of a row"], rows)


def _sources(origin: Origin) -> list[str]:
    rows = []
    for name, what in origin.sources.items():
        counts = origin.collected["by_source"].get(name, {})
        keys = ("num_rows", "num_duplicates", "num_contaminated", "num_problems")
        rows.append([escaped(name), what, *_counts(counts.get(key, 0) for key in keys)])
    return table(["source", "from", "rows", "duplicates", "in an exam", "kept"], rows)


def _counts(numbers: Iterable[int]) -> list[str]:
    return [f"{number:,}" for number in numbers]


def _decontamination(collected: Mapping[str, Any]) -> str:
    counts = [
        f"{number:,} by `{rule}` against {escaped(benchmark)}"
        for rule, by_benchmark in collected["contaminated"].items()
        for benchmark, number in by_benchmark.items()
    ]
    text = "; ".join(counts) if counts else "none was found"
    return f"Problems that stand in an exam were dropped: {text}."


def funnel(sets: Sequence[SftSet]) -> list[str]:
    """Lines of a table: traces, what each filter took that took any, rows."""
    rows = [["traces", *_counts(figures["num_traces"] for _, figures in sets)]]
    for reason in sets[0].figures["rejected"]:
        taken = [figures["rejected"][reason] for _, figures in sets]
        rows += [[reason, *(f"-{number:,}" for number in taken)]] if any(taken) else []
    rows.append(["rows", *_counts(figures["num_rows"] for _, figures in sets)])
    return table(["filter", *(escaped(name) for name, _ in sets)], rows)
