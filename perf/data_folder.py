"""DIR of `--data`: a folder of public problems and generations, which is no part of the repository (perf/README.md)."""

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

DEFAULT = Path(os.environ.get("REASONLITE_TEST_DATA", "../shared/data"))


def arguments(about: str | None) -> argparse.Namespace:
    """`data` and `quick` of a script that reads generations; `about` is what --help shows."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--data", type=Path, metavar="DIR", default=DEFAULT, help="folder with gen/*.jsonl (%(default)s)"
    )
    parser.add_argument("--quick", action="store_true")
    return parser.parse_args()


def rows(folder: Path, name: str) -> list[dict[str, Any]]:
    """The objects of a JSONL file in the folder; without it the program ends with status 2 and says what is wanted."""
    file = folder / name
    if not file.is_file():
        print(f"{folder}: holds no {name}; name a folder that has it with --data, see perf/README.md", file=sys.stderr)
        sys.exit(2)
    return [json.loads(line) for line in file.read_text(encoding="utf-8").split("\n") if line]
