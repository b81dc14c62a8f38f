"""Tokenised SFT rows on disk: made once by several processes, then read row by row by every training process.

A folder with `tokens.bin`, the int32 ids of all rows one after the other, and `rows.npy`, how many tokens each row has
and how many of these are prompt.
"""

import shutil
from collections.abc import Iterable
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from stages.core.curation import chat
from stages.core.tables.sft import SFT
from stages.edge.errors import InputError
from stages.edge.workers import shards

ROWS_AT_ONCE = 500
ROWS_READ_BACK = 5
"""Rows of each piece of the table that are decoded again and compared with the text of the template."""

TOKENISED = pl.Schema({"input_ids": pl.List(pl.Int32()), "num_prompt": pl.Int32()})


ROWS = "rows.npy"


def lengths(folder: Path) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """(tokens of each row, how many of these are prompt), by the file `ROWS` alone."""
    found, num_prompt = np.load(folder / ROWS)
    return found, num_prompt


class TokenFile:
    """Rows by index, from memory-mapped files."""

    def __init__(self, folder: Path) -> None:
        """`folder` as `write` left it."""
        self.lengths, self.num_prompt = lengths(folder)
        self._starts = self.lengths.cumsum() - self.lengths
        is_empty = not self.lengths.any()
        self._tokens = np.empty(0, np.int32) if is_empty else np.memmap(folder / "tokens.bin", np.int32, "r")

    def row(self, index: int) -> tuple[npt.NDArray[np.int32], int]:
        """Token ids of a row, and how many of them, from its start, are prompt."""
        start = self._starts[index]
        return np.asarray(self._tokens[start : start + self.lengths[index]]), int(self.num_prompt[index])


def write(sft: Path, student: Path, folder: Path, num_workers: int, pool: str) -> TokenFile:
    """Tokenise a table of SFT rows with the tokenizer in the folder `student`; a finished `folder` is taken as it is.

    Ids go into arrays at once: as lists of Python numbers they would take ten times the memory.

    Raises:
        InputError: the table or the tokenizer cannot be read, or the student cannot be trained with it.
    """
    if not (folder / ROWS).exists():
        partial_folder = folder.with_name(f"{folder.name}.partial")
        shutil.rmtree(partial_folder, ignore_errors=True)
        partial_folder.mkdir(parents=True)
        work = partial(tokenised, student.resolve())
        _store(
            shards.mapped(sft, pl.Schema({"messages": SFT["messages"]}), work, num_workers, pool, ROWS_AT_ONCE),
            partial_folder,
        )
        shutil.rmtree(folder, ignore_errors=True)
        partial_folder.replace(folder)
    return TokenFile(folder)


def _store(pieces: Iterable[pl.DataFrame], folder: Path) -> None:
    sizes, prompts = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    with (folder / "tokens.bin").open("wb") as stream:
        for piece in pieces:
            stream.write(piece["input_ids"].explode().drop_nulls().to_numpy().astype(np.int32).tobytes())
            sizes.append(piece["input_ids"].list.len().to_numpy().astype(np.int64))
            prompts.append(piece["num_prompt"].to_numpy().astype(np.int64))
    np.save(folder / ROWS, np.stack([np.concatenate(sizes), np.concatenate(prompts)]))


def tokenised(student: Path, rows: pl.DataFrame) -> pl.DataFrame:
    """Runs in a worker. Raises InputError: the template, or what it wrote, is not what the student must learn."""
    tokenizer = _tokenizer(student)
    found = []
    try:
        for place, messages in enumerate(rows["messages"].to_list()):
            row = chat.tokenise(messages, tokenizer)
            if place < ROWS_READ_BACK:
                chat.read_back(row, messages, tokenizer)
            found.append((np.asarray(row.input_ids, np.int32), row.labels.count(chat.IGNORED)))
    except ValueError as error:
        raise InputError(f"the student's tokenizer cannot be trained with: {error}") from error
    ids = pl.Series("input_ids", [pl.Series(ids) for ids, _ in found], dtype=TOKENISED["input_ids"])
    return pl.DataFrame([ids, pl.Series("num_prompt", [num for _, num in found], dtype=pl.Int32)])


@cache
def _tokenizer(student: Path) -> Any:  # noqa: ANN401
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(student)
    except (OSError, ValueError) as error:
        raise InputError(f"{student}: holds no tokenizer that transformers can read ({error})") from error
