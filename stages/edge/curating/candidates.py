"""Traces with their verdicts, votes and problems, piece by piece: what curation decides on, and writes."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from stages.core.curation import chat, filtering
from stages.core.sampling.prompts import render
from stages.core.tables.sft import SFT, SFT_KEY, TOKENS
from stages.edge.errors import InputError, writing
from stages.edge.files import scratch, tables
from stages.edge.workers import shards
from stages.edge.workers.shards import Piece

ROWS_AT_ONCE = 5_000
ROWS_PER_CHECK = 100


class Places(NamedTuple):
    """Where the rest of a candidate is: its verdict, the votes, the problems, the student, and a scratch folder for the
    tokens of those that may stay."""

    verdicts: Path
    votes: Path
    problems: Path
    student: Path
    tokens: Path
    run: int
    """Of which run: a process reads each of them once a run."""


def pieces(traces: tables.Table, efforts: Sequence[str]) -> list[Piece]:
    """The traces in pieces of whole problems, in the order of their key; those of other efforts are left out.

    Raises:
        InputError: there are no traces.
    """
    parts = shards.pieces(traces, ROWS_AT_ONCE, filtering.WHOLE, num_apart=2)  # model and effort
    return [piece for (_, effort, _), piece in shards.in_order(parts, filtering.WHOLE) if effort in efforts]


def decide(
    traces: pl.DataFrame, rules: filtering.Rules, places: Places, prompt: tuple[str | None, str | None]
) -> pl.DataFrame:
    """`filtering.decide` on whole problems. Runs in a worker, and leaves the tokens of what may stay in a file.

    Raises:
        InputError: a trace has no verdict or no problem, or the student's tokenizer cannot be used.
    """
    keys = traces.select(filtering.WHOLE).unique()
    verdicts = _verdicts(places, keys).join(keys, on=filtering.WHOLE, how="semi")
    joined = traces.join(verdicts, on=SFT_KEY).join(_problems(places), on="problem_id")
    if not traces.height == verdicts.height == joined.height:
        raise InputError(
            f"{places.verdicts}: only {joined.height} of {verdicts.height} verdicts have a trace and "
            f"a problem in {places.problems}; run `dvc repro`, which judges anew"
        )
    if rules.labels == "majority":
        votes = _votes(places)
        joined = joined.join(votes, on="problem_id", how="left")
    else:
        joined = joined.with_columns(majority=pl.lit(None, pl.String))
    reader = tokeniser(places.student, places.run)
    decisions = filtering.decide(joined, rules, _render(prompt), reader.count)
    counted = decisions.filter(pl.col("num_tokens").is_not_null()).drop("num_tokens")
    tokens = pl.concat([counted, reader.taken()], how="horizontal")
    kept = tokens.filter(pl.col("reason").is_null()).select([*SFT_KEY, *TOKENS])
    with writing(places.tokens):
        kept.write_parquet(_tokens_file(places.tokens, decisions))
    return decisions


def _tokens_file(folder: Path, decisions: pl.DataFrame) -> Path:
    """Where the tokens of a piece are: by its first row, which no other piece has."""
    first = "\0".join(map(str, decisions.select(SFT_KEY).row(0)))
    return folder / f"{hashlib.sha256(first.encode('utf-8', 'surrogatepass')).hexdigest()}.parquet"


def _verdicts(places: Places, keys: pl.DataFrame) -> pl.DataFrame:
    """Those between the first and the last of these problems: Parquet skips the others unread."""
    low, high = keys["problem_id"].min(), keys["problem_id"].max()
    efforts = keys["effort"].unique().to_list()
    parts = [
        pl.scan_parquet(file).select(list(filtering.VERDICTS_IN))
        .filter(pl.col("problem_id").is_between(pl.lit(low), pl.lit(high)), pl.col("effort").is_in(efforts)).collect()
        for file in _verdict_files(places)
    ]  # fmt: skip
    return pl.concat(parts)


@cache
def _verdict_files(places: Places) -> list[Path]:
    files = tables.files(places.verdicts)
    for file in files:
        tables.read(file, filtering.VERDICTS_IN, 0, 0)
    return files


@cache
def _problems(places: Places) -> pl.DataFrame:
    return tables.read(places.problems, filtering.PROBLEMS_IN).select("problem_id", "prompt")


@cache
def _votes(places: Places) -> pl.DataFrame:
    """The vote's answer by problem."""
    return tables.read(places.votes, filtering.VOTES_IN).select("problem_id", majority=pl.col("answer"))


class Tokeniser:
    """Makes tokens of conversations with the student's tokenizer. Hundreds of conversations begin with one problem."""

    def __init__(self, folder: Path, tokenizer: Any) -> None:  # noqa: ANN401
        """`folder` is the student's, for messages."""
        self._folder, self._tokenizer = folder, tokenizer
        self._prompt: tuple[tuple[str, ...], chat.RenderedPrompt] | None = None
        self._rows: list[tuple[npt.NDArray[np.int32], int]] = []

    def count(self, messages: filtering.Messages) -> int:
        """Number of tokens of a conversation, which are kept for `taken`. Of each hundred one is decoded and compared.

        Raises:
            InputError: the chat template cannot be trained with.
        """
        try:
            contents = tuple(message["content"] for message in messages[:-1])
            if self._prompt is None or self._prompt[0] != contents:
                self._prompt = contents, chat.prompt(messages[:-1], self._tokenizer)
            row = chat.tokenise(messages, self._tokenizer, self._prompt[1])
            if len(self._rows) % ROWS_PER_CHECK == 0:
                chat.read_back(row, messages, self._tokenizer)
        except ValueError as error:
            raise InputError(f"{self._folder}: its tokenizer cannot be trained with: {error}") from error
        # Not as lists of Python's numbers, which would take ten times the memory.
        self._rows.append((np.asarray(row.input_ids, np.int32), row.num_prompt))
        return len(row.input_ids)

    def taken(self) -> pl.DataFrame:
        """`TOKENS` of the conversations that were counted since the last call, in their order."""
        rows, self._rows = self._rows, []
        lengths = np.array([len(ids) for ids, _ in rows], np.int32)
        # One long column cut into lists: a series for each row would take a tenth of the whole of curation.
        flat = pl.DataFrame(
            {
                "row": np.repeat(np.arange(len(rows), dtype=np.uint32), lengths),
                "input_ids": np.concatenate([ids for ids, _ in rows]) if rows else np.empty(0, np.int32),
            }
        )
        lists = flat.group_by("row", maintain_order=True).agg("input_ids")
        num_prompt = pl.Series("num_prompt", [number for _, number in rows], TOKENS["num_prompt"])
        return pl.DataFrame([pl.Series("num_tokens", lengths), lists["input_ids"], num_prompt]).select(list(TOKENS))


@cache
def tokeniser(student: Path, run: int) -> Tokeniser:
    """One for the tokenizer in the folder `student`, a process and run of the stage.

    Raises:
        InputError: there is none.
    """
    from transformers import AutoTokenizer

    try:
        return Tokeniser(student, AutoTokenizer.from_pretrained(student))
    except (OSError, ValueError) as error:
        raise InputError(
            f"{student}: holds no tokenizer that transformers can read ({error}); run `dvc repro base`"
        ) from error


def num_verdicts(verdicts: tables.Table, efforts: Sequence[str]) -> int:
    """Verdicts on these efforts.

    Raises:
        InputError: there are no tables of verdicts.
    """
    counts = [
        pl.scan_parquet(file).filter(pl.col("effort").is_in(efforts)).select(pl.len()).collect()
        for file in tables.files(verdicts)
    ]
    return sum(int(each.item()) for each in counts)


def conversations(
    traces: Sequence[Piece],
    decisions: Iterable[pl.DataFrame],
    condition: pl.Expr,
    problems: pl.DataFrame,
    prompt: tuple[str | None, str | None],
    tokens: Path,
) -> Iterator[pl.DataFrame]:
    """The SFT rows of the wanted decisions in the order of their key.

    `decisions` has all rows of the pieces in their order, `problems` the columns `problem_id` and `prompt`; `prompt` is
    (system, suffix).
    """
    yield pl.DataFrame(schema=SFT)
    problems = problems.sort("problem_id")
    sizes = [sum(shard.num_rows for shard in piece) for piece in traces]
    for piece, decided in zip(traces, scratch.cut(decisions, sizes), strict=True):
        some = decided.filter(condition).drop("num_tokens")
        if some.height:
            some = some.join(pl.read_parquet(_tokens_file(tokens, decided)), on=SFT_KEY, nulls_equal=True)
            ids = some["problem_id"].sort()
            first, last = (problems["problem_id"].search_sorted(end) for end in (ids[0], ids[-1]))
            own = problems.slice(first, last - first + 1)
            yield filtering.conversations(shards.read(piece, filtering.TRACES_IN), some, own, _render(prompt))


def _render(prompt: tuple[str | None, str | None]) -> Callable[[str], filtering.Messages]:
    return lambda problem: list(render(problem, None, *prompt, []))
