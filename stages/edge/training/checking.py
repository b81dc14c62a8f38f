"""Whether the code that decides a training's weights is the code that a finished run was trained with.

A run's first steps show whether an edit of that code changed what is trained.
"""

import ast
import hashlib
import re
import tempfile
from pathlib import Path

import numpy as np
import polars as pl

from stages.core import training
from stages.core.training import batching, recipe
from stages.edge import params
from stages.edge.files import tables

RECORD = Path(recipe.__file__)
COMPARED = ("loss", "learning_rate", "grad_norm")
BESIDE = tuple(Path(__file__).with_name(f"{name}.py") for name in ("held_out", "learning", "students"))
"""What trains with the package's code: it has effects, and so cannot be a part of it."""


def version() -> str:
    """The deciding code in the key of a run: its version, or its hash if that is not the recorded one."""
    current = code_hash()
    return str(recipe.VERSION) if current == recipe.CODE else current


def code_hash(folder: Path = Path(training.__file__).parent) -> str:
    """Hex SHA-256 over the modules that decide the weights, without their comments, docstrings and formatting."""
    digest = hashlib.sha256()
    for file in (*sorted(folder.glob("*.py")), *BESIDE):
        if file.stem not in recipe.REPORTING:
            digest.update(f"{file.name}\n{_bare(file.read_text(encoding='utf-8'))}\n".encode())
    return digest.hexdigest()


def _bare(source: str) -> str:
    """A module's code alone. A string that stands as a statement does nothing."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [each for each in body if not _is_docstring(each)] or [ast.Pass()]  # type: ignore[attr-defined]
    return ast.unparse(tree)


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def record() -> None:
    """Record the present code as the recorded version. Only `first_steps` shows whether it trains the same."""
    text = RECORD.read_text(encoding="utf-8")
    RECORD.write_text(re.sub(r'^CODE = ".*"$', f'CODE = "{code_hash()}"', text, flags=re.MULTILINE), encoding="utf-8")


def first_steps(
    init: Path, sft: Path, settings: params.Train, runtime: params.Runtime, num_steps: int
) -> list[dict[str, float]]:
    """`COMPARED` of each of the first optimiser steps of a run, trained by the present code in one process.

    Only the rows of these steps are read. Nothing is kept, and the scratch folders of runs are left alone.

    Raises:
        InputError: the rows or the student cannot be read.
        SettingError: the student cannot be trained with these settings.
    """
    from stages.edge.training import learning

    num_rows = sum(map(tables.height, tables.files(sft)))
    plan = batching.Plan(num_rows, settings.batch_size, settings.epochs, settings.seed)
    indices = np.unique(np.concatenate([plan.rows(step) for step in range(min(num_steps, plan.num_steps))]))
    alone = runtime.model_copy(update={"num_processes": 1, "num_hosts": 1, "launcher": [], "deepspeed": None})
    with tempfile.TemporaryDirectory() as folder:
        rows = _SomeRows(sft, indices, num_rows)
        log = learning.first_steps(settings, alone, init, rows, plan, num_steps, Path(folder))
    return [{name: entry[name] for name in COMPARED} for entry in log]


class _SomeRows:
    """Some rows of a table as tokens, under the indices that they have in it."""

    def __init__(self, sft: Path, indices: batching.Rows, num_rows: int) -> None:
        """`indices` are sorted."""
        start, parts = 0, []
        for file in tables.files(sft):
            height = tables.height(file)
            in_file = indices[(indices >= start) & (indices < start + height)] - start
            tokens = pl.scan_parquet(file).select("input_ids", "num_prompt")
            parts.append(tokens.select(pl.all().gather(in_file.tolist())).collect())
            start += height
        rows = pl.concat(parts).iter_rows()
        self._rows: dict[int, tuple[list[int], int]] = dict(zip(indices.tolist(), rows, strict=True))
        self.lengths = np.zeros(num_rows, np.int64)
        self.lengths[indices] = [len(ids) for ids, _ in self._rows.values()]

    def row(self, index: int) -> tuple[list[int], int]:
        """Token ids of a row, and how many of them, from its start, are prompt."""
        return self._rows[index]
