"""Which files of a package changed since a stage ran, though dvc.lock keeps only one hash for the whole folder."""

import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from stages.edge.files import lockfile

MOST_COMMITS = 30
"""Commits that are looked at, the newest of those that touched the package first."""
IGNORED = "__pycache__"


def changed_files(folder: Path, package: str, recorded: str | None) -> tuple[str, ...]:
    """Files of `package` that differ from those whose hash is `recorded`; none where they are unknown.

    The recorded files are those of a commit whose package has that hash. There is none if the stage ran on code that
    was never committed, or long ago.
    """
    before = _files_of(folder, package, recorded) if recorded else None
    if before is None:
        return ()
    now = _present(folder / package)
    return tuple(sorted(name for name in before.keys() | now.keys() if before.get(name) != now.get(name)))


@cache
def _files_of(folder: Path, package: str, recorded: str) -> dict[str, str] | None:
    """md5 by path of the package's files in the commit where its hash is `recorded`."""
    return next((files for files in _committed(folder, package) if lockfile.folder_md5(files) == recorded), None)


def _present(folder: Path) -> dict[str, str]:
    files = (file for file in folder.rglob("*") if file.is_file() and IGNORED not in file.parts)
    return {file.relative_to(folder).as_posix(): lockfile.md5(file) for file in files}


def _committed(folder: Path, package: str) -> Iterator[dict[str, str]]:
    """md5 by path of the package's files in each commit that touched it."""
    for commit in _git(folder, "log", f"--max-count={MOST_COMMITS}", "--format=%H", "--", package).split():
        entries = _git(folder, "ls-tree", "-r", "-z", f"{commit}:./{package}").rstrip("\0").split("\0")
        blobs = (entry.partition("\t") for entry in entries if entry)
        yield {path: _blob_md5(folder, meta.split()[2]) for meta, _, path in blobs}


@cache
def _blob_md5(folder: Path, blob: str) -> str:
    return lockfile.bytes_md5(_git_bytes(folder, "cat-file", "blob", blob))


def _git(folder: Path, *arguments: str) -> str:
    return _git_bytes(folder, *arguments).decode(errors="surrogateescape")


def _git_bytes(folder: Path, *arguments: str) -> bytes:
    """What git prints; empty when it fails or is not there."""
    try:
        return subprocess.run(["git", *arguments], cwd=folder, capture_output=True, check=False).stdout
    except OSError:
        return b""
