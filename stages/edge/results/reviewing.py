"""Rows for a person to judge: drawn from a finished run, shown in the terminal or as a page, opinions kept in a file.

Tables are found by stage and schema in dvc.lock, so no path is written here.
"""

import base64
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jinja2
import polars as pl
from markupsafe import Markup

from stages.core.publishing import reviews
from stages.core.tables.answers import VERDICTS
from stages.core.tables.problems import PROBLEMS
from stages.core.tables.rejects import REASONS, REJECTS
from stages.core.tables.sft import SFT, SFT_KEY
from stages.core.tables.traces import TRACES
from stages.core.tables.votes import CHANGED, VOTES
from stages.edge.errors import InputError
from stages.edge.files import lockfile, tables

FOLDER = Path(__file__).parent / "page"
QUESTIONS = {
    "rows": "Is the row right: does the answer solve the problem, by reasoning that holds?",
    "rejects": "Was it right to reject the row for this reason?",
    "labels": "Is the new label right, rather than the gold?",
}
BY = {
    "rows": ("source", "topic", "model", "effort", "label_source", "decided_by"),
    "rejects": ("source", "topic", "model", "effort", "label_source", "decided_by", "reason"),
    "labels": ("source", "topic"),
}
"""Columns that strata may be made of."""
DEFAULT_BY = {"rows": ("source", "label_source"), "rejects": ("reason",), "labels": ("source",)}
KEYS = {"y": "right", "n": "wrong", "u": "unsure"}


class Item(NamedTuple):
    """A row to judge: its id, its stratum, and texts under headings."""

    id: str
    stratum: str
    texts: list[tuple[str, str]]


class Review(NamedTuple):
    """What is to be judged: names of the draw, rows by stratum, the question, and the rows drawn."""

    what: dict[str, object]
    sizes: dict[str, int]
    question: str
    items: list[Item]


def drawn(folder: Path, kind: str, name: str, number: int, seed: int, by: Sequence[str], reason: str | None) -> Review:
    """Draw rows of a finished run in `folder`.

    `kind` is a key of `QUESTIONS`; `name` that of an SFT stage, or of an effort for labels; `reason` keeps the rejects
    of one reason.

    Raises:
        InputError: no such stage ran, an out is missing, a column or a reason is unknown, or there is no row.
    """
    if wrong := [each for each in by if each not in BY[kind]]:
        raise InputError(f"--by {wrong[0]}: strata of {kind} are made of {', '.join(BY[kind])}")
    if reason is not None and reason not in REASONS:
        raise InputError(f"--reason {reason}: reasons are {', '.join(REASONS)}")
    lock = lockfile.Lock(folder)
    schema = {"rows": SFT, "rejects": REJECTS, "labels": CHANGED}[kind]
    stage = f"vote@{name}" if kind == "labels" else f"curate@{name}"
    files = lock.table(stage, schema)
    if not files:
        raise InputError(f"{stage} did not run: dvc.lock has {', '.join(sorted(lock.stages))}")
    keys = ["problem_id"] if kind == "labels" else [*SFT_KEY, *(["reason"] if kind == "rejects" else [])]
    rows = tables.read(files, pl.Schema({key: schema[key] for key in keys}))
    if reason is not None:
        rows = rows.filter(pl.col("reason") == reason)
    if kind == "rows":
        rows = _trained_on(lock, stage, rows)
    if rows.is_empty():
        raise InputError(
            f"{stage} has no {kind}{f' with the reason {reason}' if reason else ''}: there is nothing to review"
        )
    rows = _described(lock, rows, kind, name)
    strata = rows.with_columns(
        id=pl.concat_str(
            [pl.col(key).cast(pl.String).fill_null("none") for key in keys if key != "reason"], separator=" "
        ),
        stratum=pl.concat_str([pl.col(each).cast(pl.String).fill_null("none") for each in by], separator=", "),
    )
    ids = {str(part["stratum"][0]): part["id"].to_list() for part in strata.partition_by("stratum")}
    chosen = reviews.draw(ids, number, seed)
    found = {row["id"]: row for row in strata.filter(pl.col("id").is_in(chosen)).iter_rows(named=True)}
    texts = _texts(lock, pl.DataFrame(list(found.values()), schema=strata.schema), kind, files, name)
    items = [Item(each, found[each]["stratum"], texts(found[each])) for each in chosen]
    title = f"{kind} of {name}" + (f" rejected as {reason}" if reason else "")
    digest = hashlib.sha256("".join(sorted(map(tables.content_hash, files))).encode()).hexdigest()
    what = {"title": title, "table": digest[:16], "by": list(by), "number": number, "seed": seed}
    return Review(what, {stratum: len(each) for stratum, each in ids.items()}, QUESTIONS[kind], items)


def _trained_on(lock: lockfile.Lock, stage: str, rows: pl.DataFrame) -> pl.DataFrame:
    """The rows without those held out, which are rows of the same kind, and rejects too."""
    rejects = tables.read(lock.table(stage, REJECTS), pl.Schema({name: REJECTS[name] for name in SFT_KEY}))
    return rows.join(rejects, on=SFT_KEY, how="anti", nulls_equal=True)


def _described(lock: lockfile.Lock, rows: pl.DataFrame, kind: str, name: str) -> pl.DataFrame:
    """The rows with the columns that strata may be made of."""
    wanted = pl.Schema({name: PROBLEMS[name] for name in ("problem_id", "source", "topic")})
    rows = rows.join(tables.read(lock.table("collect", PROBLEMS), wanted), on="problem_id", how="left")
    if kind == "labels":
        return rows.with_columns(effort=pl.lit(name))
    judged = _judged(lock, name, rows, "label_source", "decided_by")
    return rows.join(judged, on=SFT_KEY, how="left", nulls_equal=True)


def _judged(lock: lockfile.Lock, stage: str, rows: pl.DataFrame, of_vote: str, *of_verdict: str) -> pl.DataFrame:
    """Of the traces in `rows` columns of the vote and of the verdict that an SFT stage went by, as text."""
    effort = (lock.before(f"curate@{stage}", "vote") or "").partition("@")[2]
    votes = _of(lock, f"vote@{effort}", VOTES, ("problem_id", of_vote), rows)
    verdicts = _of(lock, f"judge@{effort}", VERDICTS, (*SFT_KEY, *of_verdict), rows)
    joined = rows.select(SFT_KEY).join(votes, on="problem_id", how="left")
    joined = joined.join(verdicts, on=SFT_KEY, how="left", nulls_equal=True)
    return joined.with_columns(pl.col(of_vote, *of_verdict).cast(pl.String))


def _of(lock: lockfile.Lock, stage: str, schema: pl.Schema, columns: Sequence[str], rows: pl.DataFrame) -> pl.DataFrame:
    """Some columns of a stage's table on the problems of `rows`; no row where the stage never ran."""
    some = pl.Schema({name: schema[name] for name in columns})
    ids = rows["problem_id"].unique().implode()
    parts = [pl.DataFrame(schema=some)]
    for file in lock.table(stage, schema):
        parts.append(pl.scan_parquet(file).filter(pl.col("problem_id").is_in(ids)).select(list(some)).collect())
    return pl.concat(parts)


def _texts(
    lock: lockfile.Lock, rows: pl.DataFrame, kind: str, files: Sequence[Path], name: str
) -> Callable[[Mapping[str, Any]], list[tuple[str, str]]]:
    """What is shown of each row."""
    problems = {
        row["problem_id"]: row for row in _of(lock, "collect", PROBLEMS, PROBLEMS.names(), rows).iter_rows(named=True)
    }
    if kind == "labels":
        ids = rows["problem_id"].implode()
        changed = tables.read(files, CHANGED).filter(pl.col("problem_id").is_in(ids))
        labels = {row["problem_id"]: row for row in changed.iter_rows(named=True)}

        def label(row: Mapping[str, Any]) -> list[tuple[str, str]]:
            problem, own = problems[row["problem_id"]], labels[row["problem_id"]]
            votes = ", ".join(f"{each['answer']} x{each['votes']}" for each in own["histogram"])
            return [
                ("problem", problem["prompt"]),
                ("gold", own["gold"]),
                ("new label", own["label"]),
                ("votes", votes),
            ]

        return label
    shown: dict[tuple[object, ...], tuple[str, str]] = {}
    judged = _judged(lock, name, rows, "label", "answer", "verdict")
    facts = {tuple(row[column] for column in SFT_KEY): row for row in judged.iter_rows(named=True)}
    for (each,), part in rows.group_by(["effort"]):
        traces = _of(lock, f"teach@{each}", TRACES, (*SFT_KEY, "reasoning", "content"), part)
        for *key_values, reasoning, content in traces.join(part, on=SFT_KEY, how="semi", nulls_equal=True).iter_rows():
            shown[tuple(key_values)] = (reasoning or "", content or "")
    if kind == "rows":  # what the student reads, which is also there where the traces are not
        for file in files:
            learnt = pl.scan_parquet(file).filter(pl.col("problem_id").is_in(rows["problem_id"].unique().implode()))
            for *key_values, messages in learnt.select(*SFT_KEY, "messages").collect().iter_rows():
                shown[tuple(key_values)] = (messages[-2]["content"], messages[-1]["content"])
    heads = ("asked", "answered") if kind == "rows" else ("reasoning", "answer")

    def trace(row: Mapping[str, Any]) -> list[tuple[str, str]]:
        key, problem = tuple(row[name] for name in SFT_KEY), problems.get(row["problem_id"], {})
        reasoning, content = shown.get(key, ("", ""))
        fact = facts.get(key, {})
        texts = [
            ("problem", problem.get("prompt")), ("gold", problem.get("gold")),
            ("label", f"{fact.get('label')} (from the {row['label_source']})"), ("reason", row.get("reason")),
            ("verdict", f"{fact.get('verdict')} (by {row['decided_by']}), the answer read is {fact.get('answer')}"),
            (heads[0], reasoning), (heads[1], content),
        ]  # fmt: skip
        return [(head, str(text)) for head, text in texts if text]

    return trace


def safe(text: str) -> str:
    """A text for the terminal: its lines stay, any other control character of a hostile one is shown, never sent."""
    lines = text.replace("\r\n", "\n").split("\n")
    return "\n".join("".join(char if char.isprintable() else repr(char)[1:-1] for char in line) for line in lines)


def kept(path: Path, review: Review) -> dict[str, str]:
    """The opinions that a file holds on this draw, by id; none if it is not there.

    Raises:
        InputError: it is of another table or draw, or no such file.
    """
    if not path.exists():
        return {}
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        opinions = dict(document["opinions"])
        other = [name for name, value in review.what.items() if document[name] != value]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: holds no review ({error}); name another file") from error
    if other:
        raise InputError(f"{path}: is a review with another {other[0]}; name another file, or the same draw")
    ids = {item.id for item in review.items}
    if wrong := [name for name, opinion in opinions.items() if name not in ids or opinion not in reviews.OPINIONS]:
        raise InputError(f"{path}: {safe(str(wrong[0]))} is no row of this draw, or has an opinion that is none")
    return opinions


def document(review: Review, opinions: Mapping[str, str]) -> dict[str, Any]:
    """What is kept: the estimate and the opinions."""
    strata = {item.id: item.stratum for item in review.items}
    return reviews.result(review.what, review.sizes, {name: (strata[name], each) for name, each in opinions.items()})


def page(review: Review, opinions: Mapping[str, str]) -> str:
    """A page that needs no network: one row after the other, three buttons, and the file to save at the end.

    Every text of a model is escaped; the page's policy forbids all scripts but its own, and every request.
    """
    script = (FOLDER / "review.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, undefined=jinja2.StrictUndefined)
    template = environment.from_string((FOLDER / "review.html").read_text(encoding="utf-8"))
    head = json.dumps({**review.what, "opinions": dict(opinions)}, ensure_ascii=True).replace("<", "\\u003c")
    return template.render(
        policy=f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'",
        title=str(review.what["title"]),
        question=review.question,
        items=review.items,
        head=Markup(head),
        script=Markup(script),
    )
