"""Looking after the answer store.

python -m stages.edge.store show
python -m stages.edge.store verify
python -m stages.edge.store export answers/ --model teacher-1a2b3c
python -m stages.edge.store sync s3://bucket/answers        # both ways; --push or --pull for one
python -m stages.edge.store prune                           # what no dvc.lock of any branch or tag uses
"""

import argparse
import contextlib
import uuid
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from stages.core.queries import STATUSES, escape_surrogates
from stages.edge import claims, store
from stages.edge.errors import InputError
from stages.edge.segments import KEY_BYTES, SEGMENT, File, seal, segment_name

MIB = 2**20
ROWS_PER_EXPORT = 50_000
EXPORT = pl.Schema(
    {
        "model": pl.String(),
        "part": pl.String(),
        "query_key": pl.String(),
        "created": pl.Float64(),
        "status": pl.Enum(STATUSES),
        "content": pl.String(),
        "reasoning": pl.String(),
        "prompt_tokens": pl.Int32(),
        "completion_tokens": pl.Int32(),
    }
)


class Holding(NamedTuple):
    """What the store holds of one model and part."""

    model: str
    part: str
    num_answers: int
    num_bytes: int
    num_segments: int


@contextlib.contextmanager
def reading(path: Path) -> Iterator[File]:
    """A file of the store, closed at the end of the block."""
    with contextlib.closing(store.opened_by_reader(path)) as file:
        yield file


def files(model: str | None = None) -> list[Path]:
    """Every file of answers, of one model or of all."""
    return sorted(store.root().glob(f"{model or '*'}/*.sqlite"))


def holdings() -> list[Holding]:
    """Answers and bytes by model and part; a segment's bytes are shared out by its rows."""
    found: dict[tuple[str, str], list[float]] = defaultdict(lambda: [0, 0, 0])
    for path in files():
        with reading(path) as file:
            counts = file.counts()
        for part, count in counts.items():
            row = found[path.parent.name, part]
            row[0] += count
            row[1] += path.stat().st_size * count / max(sum(counts.values()), 1)
            row[2] += path.match(SEGMENT)
    return [
        Holding(model, part, int(n), round(size), int(segments))
        for (model, part), (n, size, segments) in sorted(found.items())
    ]


def verify() -> Iterator[tuple[Path, str | None]]:
    """Each file and what is wrong with it, or None: a segment's hash, SQLite's own check, every key and answer."""
    for path in files():
        try:
            yield path, _fault(path)
        except InputError as error:
            yield path, str(error)


def _fault(path: Path) -> str | None:
    if path.match(SEGMENT) and segment_name(path) != path.name:
        return "its content does not have the hash that its name says"
    with reading(path) as file:
        if (said := file.integrity()) != "ok":
            return said
        for key, _, _, answer in file.answers():
            if len(key) != KEY_BYTES or answer.status not in STATUSES:
                return f"the row {key.hex()} is no answer"
    return None


def export(folder: Path, model: str | None) -> int:
    """Write the answers as Parquet files of a few columns to `folder`; the number of rows."""
    total = 0
    folder.mkdir(parents=True, exist_ok=True)
    for number, rows in enumerate(_batches(model)):
        frame = pl.DataFrame(rows, schema=EXPORT, orient="row")
        frame.write_parquet(folder / f"answers-{number:04d}.parquet", compression="zstd")
        total += frame.height
    return total


def _batches(model: str | None) -> Iterator[list[tuple[Any, ...]]]:
    rows: list[tuple[Any, ...]] = []
    for path in files(model):
        with reading(path) as file:
            for key, part, created, answer in file.answers():
                texts = [text and escape_surrogates(text) for text in (answer.content, answer.reasoning)]
                tokens = (answer.prompt_tokens, answer.completion_tokens)
                rows.append((path.parent.name, part, key.hex(), created, answer.status, *texts, *tokens))
                if len(rows) == ROWS_PER_EXPORT:
                    yield rows
                    rows = []
    if rows:
        yield rows


def seal_parts() -> list[Path]:
    """Make every part a segment that nobody is writing; return those that are being written, which are left alone."""
    busy = []
    for path in files():
        part = store.part_of(path)
        if part is None:
            continue
        with claims.held_if_free(store.claim_of(path.parent, part)) as ours:
            if not ours:
                busy.append(path)
                continue
            with contextlib.closing(File(path, write=True)) as file:  # also rolls back what a kill cut short
                is_empty = file.num_rows() == 0
            if is_empty:
                path.unlink()
            else:
                seal(path)
    return busy


class Synced(NamedTuple):
    """Segments that went each way, and the parts that stayed behind because they are being written."""

    pushed: list[str]
    pulled: list[str]
    busy: list[Path]


def sync(url: str, push: bool = True, pull: bool = True) -> Synced:
    """Bring the segments here and those under the fsspec `url` together, in one direction or in both.

    A segment is named by its content and never changes, so what has the same name is the same, and a transfer that was
    cut short goes on with the segments that are left. What is fetched is checked against its name before it counts.

    Raises:
        InputError: the place cannot be read or written, or a segment is damaged, here or there.
    """
    import fsspec

    try:
        disk, base = fsspec.core.url_to_fs(url)
        busy = seal_parts() if push else []
        here = {f"{path.parent.name}/{path.name}": path for path in files() if path.match(SEGMENT)}
        there = {
            "/".join(str(found).split("/")[-2:])
            for found in (disk.glob(f"{base}/*/{SEGMENT}") if disk.exists(base) else [])
        }
        pushed = sorted(here.keys() - there) if push else []
        pulled = sorted(there - here.keys()) if pull else []
        for name in pushed:
            if segment_name(here[name]) != here[name].name:
                raise InputError(
                    f"{here[name]} is damaged: move it away and sync again, or have its answers asked anew"
                )
            disk.makedirs(f"{base}/{name.partition('/')[0]}", exist_ok=True)
            partial = f"{base}/{name}.{uuid.uuid4().hex[:8]}.partial"
            disk.put_file(str(here[name]), partial)
            disk.mv(partial, f"{base}/{name}")
        for name in pulled:
            _fetch(disk, f"{base}/{name}", store.root() / name)
    except (OSError, ImportError, ValueError) as error:
        raise InputError(
            f"{url}: {error}; see that it exists and that its credentials are set, then run again"
        ) from error
    return Synced(pushed, pulled, busy)


def _fetch(disk: Any, source: str, target: Path) -> None:  # noqa: ANN401
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.partial")
    try:
        disk.get_file(source, str(partial))
        if segment_name(partial) != target.name:
            raise InputError(
                f"{source} is damaged: its content does not have the hash that its name says; nothing was kept"
            )
        partial.chmod(0o444)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def main() -> None:
    """Show, verify, export, sync or prune."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb")
    verbs.add_parser("show", help="answers and bytes of each model")
    verbs.add_parser("verify", help="check every file and answer")
    command = verbs.add_parser("export", help="write answers as Parquet")
    command.add_argument("folder", type=Path)
    command.add_argument("--model", help="a name that `show` lists; all without it")
    command = verbs.add_parser("sync", help="bring the store and a copy elsewhere together")
    command.add_argument("url", help="a folder or any fsspec URL, such as s3://bucket/answers")
    one_way = command.add_mutually_exclusive_group()
    one_way.add_argument("--push", action="store_true", help="only from here to there")
    one_way.add_argument("--pull", action="store_true", help="only from there to here")
    command = verbs.add_parser("prune", help="drop answers that no dvc.lock of any branch, tag or experiment uses")
    command.add_argument("--ignore-missing", action="store_true", help="take traces that DVC cannot read as unused")
    command.add_argument(
        "--keep-days", type=float, default=7.0, help="spare younger answers, which a run may still need (default: 7)"
    )
    args = parser.parse_args()
    if args.verb == "verify":
        faults = 0
        for path, fault in verify():
            print(f"{path}: {fault or 'whole'}")
            faults += fault is not None
        if faults:
            raise InputError(f"{faults} damaged files; move them away, then bring copies back with sync or ask again")
    elif args.verb == "export":
        print(f"{export(args.folder, args.model)} answers written to {args.folder}")
    elif args.verb == "sync":
        done = sync(args.url, push=not args.pull, pull=not args.push)
        print(f"{len(done.pushed)} segments pushed, {len(done.pulled)} pulled")
        for path in done.busy:
            print(f"{path} is being written: its answers stay here until the next sync")
    elif args.verb == "prune":
        from stages.edge import pruning

        pruned = pruning.prune(pruning.used_keys(Path.cwd(), args.ignore_missing), args.keep_days)
        for name in pruned.busy:
            print(f"{name} is being written: nothing of it was looked at")
        print(f"{pruned.num_dropped} answers dropped, {pruned.num_kept} kept, {pruned.num_bytes / MIB:.1f} MiB freed")
    else:
        show()


def show() -> None:
    """Print the holdings as a table."""
    found = holdings()
    print(store.root())
    for each in found:
        print(
            f"  {each.model:<32} {each.part:<12} {each.num_answers:>10,} answers {each.num_bytes / MIB:>10.1f} MiB "
            f"{each.num_segments:>4} segments"
        )
    answers, size = sum(each.num_answers for each in found), sum(each.num_bytes for each in found)
    print(f"  {'all':<45} {answers:>10,} answers {size / MIB:>10.1f} MiB")
