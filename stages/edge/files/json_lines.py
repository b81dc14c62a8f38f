"""JSON and its lines, read one at a time. Only a line feed ends a line: U+2028 and U+0085 may stand inside of one."""

import codecs
import json
from collections.abc import Iterator
from typing import IO, Any

from stages.edge.errors import InputError

MAX_LINE = 64 * 2**20
"""Bytes of a line. A problem has thousands; a longer line is that of another kind of file, or one without line ends."""


def lines(stream: IO[bytes], name: str, kind: str = "JSON Lines") -> Iterator[tuple[str, bytes]]:
    """(place, line) of each line of a file of this name and kind, without a byte order mark.

    Raises:
        InputError: a line is longer than `MAX_LINE`.
    """
    number = 0
    while line := stream.readline(MAX_LINE + 1):
        number += 1
        place = f"{name}: line {number}"
        if len(line) > MAX_LINE:
            raise InputError(f"{place}: has more than {MAX_LINE // 2**20} MiB; is it {kind}?")
        yield place, line.removeprefix(codecs.BOM_UTF8) if number == 1 else line


def decoded(text: bytes) -> str:
    """UTF-8 text. Raises ValueError: it is none."""
    try:
        return text.decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"byte {error.start + 1} is no UTF-8; save the file as UTF-8") from error


def parsed(text: bytes) -> Any:  # noqa: ANN401
    """What a JSON text holds. Raises ValueError: it is none."""
    decoded_text = decoded(text)
    try:
        return json.loads(decoded_text)
    except (ValueError, RecursionError) as error:  # a number of 5,000 digits is no JSONDecodeError
        raise ValueError(f"is no JSON ({error})") from error


def parsed_object(text: bytes) -> dict[str, Any]:
    """The object that a JSON text holds. Raises ValueError: it holds none."""
    value = parsed(text)
    if not isinstance(value, dict):
        raise ValueError("is no JSON object")
    return value
