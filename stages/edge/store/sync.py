"""The answer store and a copy of it elsewhere, brought together segment by segment."""

import contextlib
import time
import uuid
from collections.abc import Iterator, Mapping, Set
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import IO, Any, NamedTuple

from stages.edge import store
from stages.edge.errors import InputError, raised_by, writing
from stages.edge.store import keeping
from stages.edge.store.segments import SEGMENT, segment_name

SECONDS_OF_A_TRANSFER = 24 * 3600
"""Upper bound for the transfer of a segment."""
BYTES_AT_ONCE = 2**20


class Synced(NamedTuple):
    """Segments that went each way, and the parts that stayed behind because they are being written."""

    pushed: list[str]
    pulled: list[str]
    busy: list[Path]


def sync(url: str, push: bool = True, pull: bool = True) -> Synced:
    """Bring the segments here and those under the fsspec `url` together, in one direction or in both.

    A segment is named by its content and never changes, so two of the same name are the same, and a transfer that was
    cut short goes on with the segments that are left; one that has another size there is sent again. A fetched segment
    is checked against its name.

    Raises:
        InputError: the place cannot be read or written, has nothing to pull, or a segment is damaged, here or there:
            all others are transferred before that is reported.
    """
    import fsspec

    with _transfer_errors(url):
        disk, base = fsspec.core.url_to_fs(url)
        busy = keeping.seal_parts() if push else []
        here = {f"{path.parent.name}/{path.name}": path for path in keeping.files() if path.match(SEGMENT)}
        there, leftovers = _list_remote(disk, base)
        if not push and not there:
            raise InputError(f"{url}: holds no segments to pull; name the place that was pushed to")
        wanted = sorted(name for name, path in here.items() if there.get(name) != path.stat().st_size) if push else []
        damaged, pushed, pulled = [], [], []
        for name in wanted:
            if segment_name(here[name]) != here[name].name:
                damaged.append(f"{here[name]} (move it away)")
                continue
            _send(disk, here[name], f"{base}/{name}")
            pushed.append(name)
        if push:
            _sweep(disk, leftovers, {*there, *pushed})
    for name in sorted(there.keys() - here.keys()) if pull else []:
        if _fetch(url, disk, f"{base}/{name}", store.root() / name):
            pulled.append(name)
        else:
            damaged.append(f"{url.rstrip('/')}/{name} (remove it there)")
    if damaged:
        raise InputError(
            f"damaged, their content has not the hash that their name says: {', '.join(damaged)}; the others are "
            "brought together. Then sync from a host that has them whole, or have their answers asked anew"
        )
    return Synced(pushed, pulled, busy)


def _list_remote(disk: Any, base: str) -> tuple[dict[str, int], dict[str, float | None]]:  # noqa: ANN401
    """Sizes of the segments there by `model/name`, and when each leftover of a transfer was written, by path."""
    segments: dict[str, int] = {}
    leftovers: dict[str, float | None] = {}
    disk.invalidate_cache()
    # Not a glob: the base is the user's, and may hold wildcards.
    for path, info in (disk.find(base, maxdepth=2, detail=True) if disk.exists(base) else {}).items():
        place = PurePosixPath(str(path))
        if place.match(SEGMENT):
            segments["/".join(place.parts[-2:])] = int(info["size"])
        elif place.match(f"{SEGMENT}.*.partial"):
            when = next((info[key] for key in ("mtime", "LastModified", "created") if info.get(key) is not None), None)
            leftovers[str(path)] = when.timestamp() if isinstance(when, datetime) else when
    return segments, leftovers


def _send(disk: Any, segment: Path, target: str) -> None:  # noqa: ANN401
    disk.makedirs(target.rpartition("/")[0], exist_ok=True)
    partial = f"{target}.{uuid.uuid4().hex[:8]}.partial"
    try:
        disk.put_file(str(segment), partial)
        disk.mv(partial, target)
    finally:
        with contextlib.suppress(OSError):
            if disk.exists(partial):
                disk.rm_file(partial)


def _sweep(disk: Any, leftovers: Mapping[str, float | None], segments: Set[str]) -> None:  # noqa: ANN401
    """Remove leftovers of killed transfers: of a segment that is there, or a day old."""
    for path, written in leftovers.items():
        name = "/".join(PurePosixPath(path).parts[-2:]).removesuffix(".partial").rpartition(".")[0]
        is_old = written is not None and time.time() - written > SECONDS_OF_A_TRANSFER
        if is_old or name in segments:
            with contextlib.suppress(OSError):  # another host may have been quicker
                disk.rm_file(path)


@contextlib.contextmanager
def _transfer_errors(url: str) -> Iterator[None]:
    """Errors of a disk or a network, as one sentence."""
    try:
        yield
    except Exception as error:
        # S3 that cannot be reached, or without credentials: its library has exceptions of its own.
        if not isinstance(error, OSError | ImportError | ValueError) and not raised_by(
            error, "botocore", "aiobotocore"
        ):
            raise
        raise InputError(
            f"{url}: {error}; see that it exists and that its credentials are set, then run again"
        ) from error


def _fetch(url: str, disk: Any, source: str, target: Path) -> bool:  # noqa: ANN401
    """Fetch a segment; false, and nothing is kept, where it is damaged."""
    partial = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.partial")
    try:
        with writing(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            with partial.open("wb") as stream, _transfer_errors(url), disk.open(source, "rb") as there:
                while piece := there.read(BYTES_AT_ONCE):
                    _write(stream, piece, target)
        if segment_name(partial) != target.name:
            return False
        partial.chmod(0o444)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    return True


def _write(stream: IO[bytes], piece: bytes, target: Path) -> None:
    """Write, so that a full disk here is reported as such, not as an error of the other side."""
    with writing(target):
        stream.write(piece)
        stream.flush()
