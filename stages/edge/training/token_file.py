"""The tokens of SFT rows on the disk, so that every training process reads them row by row.

A folder with `tokens.bin`, the int32 ids of all rows one after the other, and `rows.npy`, how many tokens each row has
and how many of these are prompt.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from stages.core.tables.sft import SFT
from stages.edge.errors import InputError
from stages.edge.files import tables

ROWS_AT_ONCE = 500
ROWS_READ_BACK = 5
"""Rows of each file of the table that are decoded and compared with the text of the template."""
LENGTHS = pl.Schema({name: SFT[name] for name in ("num_tokens", "num_prompt")})


def lengths(sft: Path) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """(tokens of each row of a table, how many of these are prompt).

    Raises:
        InputError: as `tables.read`.
    """
    columns = tables.read(sft, LENGTHS).cast(pl.Int64)
    return columns["num_tokens"].to_numpy(), columns["num_prompt"].to_numpy()


class TokenFile:
    """Rows by index, from memory-mapped files."""

    def __init__(self, folder: Path) -> None:
        """`folder` as `write` left it."""
        self.lengths, self.num_prompt = np.load(folder / "rows.npy")
        self._starts = self.lengths.cumsum() - self.lengths
        is_empty = not self.lengths.any()
        self._tokens = np.empty(0, np.int32) if is_empty else np.memmap(folder / "tokens.bin", np.int32, "r")

    def row(self, index: int) -> tuple[npt.NDArray[np.int32], int]:
        """Token ids of a row, and how many of them, from its start, are prompt."""
        start = self._starts[index]
        return np.asarray(self._tokens[start : start + self.lengths[index]]), int(self.num_prompt[index])


def write(sft: Path, student: Path, folder: Path) -> TokenFile:
    """Write the tokens of a table of SFT rows to a folder; a finished one is taken as it is.

    Raises:
        InputError: the table cannot be read, or its tokens are not those of the tokenizer in the folder `student`.
    """
    if not (folder / "rows.npy").exists():
        files = tables.files(sft)
        tables.read(sft, SFT, 0, 0)
        for file in files:
            _check(file, student)
        partial = folder.with_name(f"{folder.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        with (partial / "tokens.bin").open("wb") as stream:
            for file in files:
                for ids in _token_arrays(file):
                    stream.write(ids.tobytes())
        np.save(partial / "rows.npy", np.stack(lengths(sft)))
        shutil.rmtree(folder, ignore_errors=True)
        partial.replace(folder)
    return TokenFile(folder)


def _token_arrays(file: Path) -> Iterator[npt.NDArray[np.int32]]:
    """The ids of some rows after another. Polars would hold all of a file's at once."""
    from pyarrow import parquet

    with parquet.ParquetFile(file) as rows:
        for batch in rows.iter_batches(ROWS_AT_ONCE, columns=["input_ids"]):
            yield batch.column(0).flatten().to_numpy()


def _check(file: Path, student: Path) -> None:
    """Check that the tokens of a file's first rows spell their messages, with the student's tokenizer and template.

    Raises:
        InputError: they do not.
    """
    from pyarrow import parquet

    tokenizer = _tokenizer(student)
    with parquet.ParquetFile(file) as rows:
        batch = next(rows.iter_batches(ROWS_READ_BACK, columns=["messages", "input_ids"]), None)
    for row in batch.to_pylist() if batch else []:
        text = tokenizer.decode(row["input_ids"], skip_special_tokens=False, clean_up_tokenization_spaces=False)
        rendered = tokenizer.apply_chat_template(row["messages"], tokenize=False)
        # Tokenizers may add or take a space at the edges, and templates strip lines.
        is_same = "".join(text.split()) in "".join(rendered.split())
        if not is_same or row["input_ids"][-1] != tokenizer.eos_token_id:
            raise InputError(
                f"{file}: its tokens were made with another tokenizer or chat template than that of {student}: make "
                "the rows anew with `dvc repro`, where curate reads the tokenizer of the student's base"
            )


def _tokenizer(student: Path) -> Any:  # noqa: ANN401
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(student)
    except (OSError, ValueError) as error:
        raise InputError(f"{student}: holds no tokenizer that transformers can read ({error})") from error
