"""The SFT sets as a Hugging Face data set: a folder that `datasets` loads, with a card and the evidence.

python -m stages.edge.publish published --sft medium=data/sft/turbo high=data/sft/final \
    --rejects medium=data/rejects/turbo.parquet high=data/rejects/final.parquet \
    --figures medium=metrics/curate_turbo.json high=metrics/curate_final.json \
    --evidence data/contamination.parquet data/duplicates.parquet --collected metrics/collect.json \
    --provenance metrics/sources.json --traces data/traces/medium data/traces/high

With `--push ORG/NAME` it also goes to the hub, as a private data set, with the token in HF_TOKEN.
"""

import argparse
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stages.core.publishing import card
from stages.core.tables.sft import SFT
from stages.edge import params
from stages.edge.cli import running
from stages.edge.errors import InputError
from stages.edge.files import answered_by, tables
from stages.edge.files.metrics import read_metrics
from stages.edge.publish import upload


def main() -> None:
    """Write the folder, whole or not at all, and push it if that is asked for."""
    parser = running.parser(__doc__, "collected", "provenance", prog="python -m stages.edge.publish")
    parser.add_argument("output", type=Path, help="folder to write; it must not be there")
    for name in ("sft", "rejects", "figures"):
        parser.add_argument(f"--{name}", nargs="+", required=True, metavar="CONFIG=PATH", type=_config_path)
    parser.add_argument("--evidence", nargs="*", default=[], type=Path)
    parser.add_argument("--traces", nargs="*", default=[], type=Path, help="folders of traces, for who answered them")
    parser.add_argument("--reviews", nargs="*", default=[], type=Path, help="what `python -m stages.review` wrote")
    parser.add_argument("--title", default="Curated reasoning traces")
    parser.add_argument("--push", metavar="ORG/NAME")
    args = parser.parse_args()
    if args.push:
        upload.token()  # before an hour of writing, not after
    with upload.whole(args.output) as partial:
        _write(partial, args)
    print(f"written to {args.output}: datasets.load_dataset({str(args.output)!r}, {args.sft[0][0]!r})")
    if args.push:
        print(f"pushed to {upload.push(args.output, args.push, 'dataset')}")


def _config_path(text: str) -> tuple[str, Path]:
    name, equals, path = text.partition("=")
    if not (name and equals and path):
        raise argparse.ArgumentTypeError(f"{text!r} is not CONFIG=PATH")
    return name, Path(path)


def _write(folder: Path, args: argparse.Namespace) -> None:
    figures = {name: _read(path) for name, path in args.figures}
    if wrong := [name for name, _ in args.sft if name not in figures]:
        raise InputError(f"no --figures for the configuration {wrong[0]!r}")
    for name, path in args.sft:
        (folder / name).mkdir(parents=True)
        for number, file in enumerate(tables.files(path)):
            tables.read(file, SFT, 0, 0)
            shutil.copyfile(file, folder / name / f"part-{number:04d}.parquet")
    (folder / "evidence").mkdir()
    for name, path in args.rejects:
        shutil.copyfile(tables.files(path)[0], folder / "evidence" / f"rejects_{name}.parquet")
    for path in args.evidence:
        shutil.copyfile(tables.files(path)[0], folder / "evidence" / path.name)
    sets = [card.SftSet(name, figures[name]) for name, _ in args.sft]
    (folder / "README.md").write_text(
        card.card(sets, _origin(args), [_review(path) for path in args.reviews]), encoding="utf-8"
    )


def _review(path: Path) -> dict[str, Any]:
    found = _read(path)
    if not {"title", "num_reviewed", "num_rows", "strata"} <= found.keys():
        raise InputError(f"{path}: is no review; name a file that `python -m stages.review` wrote")
    return found


def _origin(args: argparse.Namespace) -> card.Origin:
    teach = params.load(params.Teacher, "teach")
    collect = params.load(params.Collect, "collect")
    revisions: Mapping[str, str] = _read(args.provenance).get("revisions", {})
    names = {each.name: _source_text(each, revisions) for each in collect.sources}
    servers = {path.name: answered_by.read(path) for path in args.traces}
    teachers = list(dict.fromkeys(model.name for effort in teach.by_effort for model in teach.models_of(effort)))
    return card.Origin(args.title, _commit(), teachers, names, _read(args.collected), servers)


def _source_text(source: params.Source, revisions: Mapping[str, str]) -> str:
    if isinstance(source, params.HubSource):
        commit = source.revision or revisions.get(f"{source.dataset}@newest", "?")
        return f"[{source.dataset}](https://huggingface.co/datasets/{source.dataset}) at `{commit[:12]}`"
    return f"`{source.path}`" if isinstance(source, params.FilesSource) else "generated"


def _read(path: Path) -> dict[str, Any]:
    try:
        return read_metrics(path)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error}); run `dvc repro`, or `dvc pull`") from error


def _commit() -> str:
    result = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    return result.stdout.strip() or "unknown"


if __name__ == "__main__":
    running.run(main, is_stage=False)
