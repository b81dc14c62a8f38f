"""Files that lie at two places and take the disk's room once."""

import os
import shutil
from pathlib import Path

from stages.edge.errors import writing


def link(source: Path, target: Path) -> None:
    """`source`, a file or a folder, at `target` too: by hard links, and as a copy where the disk has none.

    Raises:
        InputError: the disk is full, or may not be written to.
    """
    with writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, copy_function=_link_file)
        else:
            _link_file(source, target)


def _link_file(source: str | Path, target: str | Path) -> None:
    try:
        os.link(Path(source).resolve(), target)
    except OSError:
        shutil.copyfile(source, target)
