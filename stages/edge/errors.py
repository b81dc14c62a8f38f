"""Failures of the world that stop a stage. Each message is one sentence that ends with what to do next."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import polars as pl


class PipelineError(Exception):
    """A failure that the user can act on: shown as one sentence, without a traceback."""


class InputError(PipelineError):
    """A file, table or folder that is missing, unreadable or not what it should be."""


class SettingError(PipelineError):
    """A key of params.yaml (or an environment variable) that is unknown, of the wrong type or impossible."""


class ServerError(PipelineError):
    """A model server that is missing, refuses us, serves another model, or died."""


class BudgetError(PipelineError):
    """A stage that has spent all that it may spend."""


class EmptyError(PipelineError):
    """A step that left nothing to go on with."""


class ClaimLostError(PipelineError):
    """Another process took over our work, because we could not tell in time that we are alive."""


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Around what writes `path`.

    Raises:
        InputError: the disk is full, or may not be written to.
    """
    try:
        yield
    except (OSError, pl.exceptions.PolarsError) as error:
        raise InputError(f"{path}: cannot be written ({error}); see to the disk and its permissions") from error


def raised_by(error: BaseException, *libraries: str) -> bool:
    """Whether an exception is a class of one of these libraries, which need not be installed for that."""
    return type(error).__module__.partition(".")[0] in libraries
