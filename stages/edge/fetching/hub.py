"""Hugging Face data sets: the commit that is read, and its rows, streamed with the wanted columns only."""

import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from stages.edge.errors import InputError, SettingError
from stages.edge.files.paths import project_root
from stages.edge.params import HubSplit, Section

SEEN = Path(".cache") / "hub_revisions.json"
_UNREACHABLE: set[str] = set()
"""Data sets for which this process did not reach the hub: they are read from its cache."""


class Commits:
    """The commit of each hub data set that a run reads."""

    def __init__(self, sources: Sequence[Section], record: Path | None) -> None:
        """Look them up. `record` is the file, tracked by git, in which the last run recorded them, if there is one.

        Raises:
            InputError: the hub cannot be reached and its cache has no copy, or there is no such data set.
            SettingError: a data set that is not pinned changed since it was first read.
        """
        before = _recorded(record)
        self._commits: dict[str, str] = {}
        for source in sources:
            # A folder has no commits, and a data set that is listed twice is read at one.
            if isinstance(source, HubSplit) and not Path(source.dataset).is_dir() and self.of(source) is None:
                self._commits[_name(source)] = _checked_commit(source, before.get(_name(source)))

    def of(self, source: Section) -> str | None:
        """The commit to read; None for what has none."""
        return self._commits.get(_name(source)) if isinstance(source, HubSplit) else None

    def by_name(self) -> dict[str, str]:
        """All of them, as they are recorded."""
        return dict(self._commits)

    def remember(self) -> None:
        """Keep them for the next run, which may start before the record is committed."""
        path = project_root(Path.cwd()) / SEEN
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(_json(path) | self._commits, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _checked_commit(source: HubSplit, before: str | None) -> str:
    commit = _commit(source, before)
    if source.revision is None and before not in (None, commit):
        raise SettingError(
            f"params.yaml: {source.dataset} changed on the hub from {before} to {commit} since it "
            "was first read: set its `revision` to the one that you mean"
        )
    return commit


def rows(source: HubSplit, commit: str | None, needed: Sequence[str]) -> Iterator[tuple[str, Mapping[str, object]]]:
    """(place, row) for each row of a split, downloading only the needed columns where the format allows it.

    Raises:
        InputError: no such configuration, split or column, or the network fails.
    """
    import datasets

    place, pinned = source.dataset, commit
    if commit is not None and (copy := _cached(source, commit)):
        place, pinned = copy, None
    try:
        builder = datasets.load_dataset_builder(place, source.config, revision=pinned)
        if hasattr(builder.config, "columns"):  # Parquet: the others are never fetched
            builder = datasets.load_dataset_builder(place, source.config, revision=pinned, columns=list(needed))
        stream = builder.as_streaming_dataset(split=source.split)
        for index, row in enumerate(stream):
            yield f"{source.dataset}: row {index}", row
    except (OSError, ValueError, KeyError, datasets.exceptions.DatasetsError) as error:
        raise InputError(_error_message(source, error)) from error


def _commit(source: HubSplit, before: str | None) -> str:
    """The commit that the hub has, or out of its reach the one of its cache: that of `before`, if there is one."""
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import (  # type: ignore[attr-defined]
        HfHubHTTPError,
        HFValidationError,
        HTTPError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
    )

    try:
        return str(HfApi().dataset_info(source.dataset, revision=source.revision).sha)
    except HFValidationError as error:
        raise InputError(_error_message(source, error)) from error
    except (HTTPError, HfHubHTTPError, OfflineModeIsEnabled, OSError) as error:
        try:
            folder = snapshot_download(
                source.dataset, repo_type="dataset", revision=source.revision or before, local_files_only=True
            )
        except (LocalEntryNotFoundError, OSError) as missing:
            raise InputError(_error_message(source, error, source.revision or before)) from missing
        _UNREACHABLE.add(source.dataset)
        return Path(folder).name


def _cached(source: HubSplit, commit: str) -> str | None:
    """The folder of a commit in the hub's cache, if the hub is out of reach; online, it may be a part of it only."""
    from huggingface_hub import constants, snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    if not constants.HF_HUB_OFFLINE and source.dataset not in _UNREACHABLE:
        return None
    try:
        return str(snapshot_download(source.dataset, repo_type="dataset", revision=commit, local_files_only=True))
    except LocalEntryNotFoundError:
        return None


def _error_message(source: HubSplit, error: Exception, commit: str | None = None) -> str:
    reason = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
    revision = f" --revision {commit}" if commit else ""
    return (
        f"{source.dataset}: cannot be read from the hub ({reason}); check name, split and network, or fetch it "
        f"elsewhere (hf download {source.dataset} --repo-type dataset{revision}) and use a source of kind `files`"
    )


def _name(source: HubSplit) -> str:
    return f"{source.dataset}@{source.revision or 'newest'}"


def _recorded(record: Path | None) -> dict[str, Any]:
    """Commits that were read before, by git and by other runs here. Those of git count: all have them.

    DVC removes the file before its stage runs.
    """
    seen = _json(project_root(Path.cwd()) / SEEN)
    if record is None:
        return seen
    committed = subprocess.run(
        ["git", "show", f"HEAD:./{record.as_posix()}"], capture_output=True, text=True, check=False
    )
    content = json.loads(committed.stdout) if committed.returncode == 0 else {}
    return {**seen, **content.get("revisions", {})}


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
