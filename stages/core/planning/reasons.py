"""Why a stage runs: what changed since its last run, in a few words for each group of stages with the same reasons."""

import textwrap
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

MOST_STAGES, MOST_SETTINGS, MOST_NAMES, MOST_FILES, VALUE_WIDTH = 6, 3, 4, 3, 30


class Reasons(NamedTuple):
    """What changed since a stage last ran; all empty if it only runs because a stage before it does."""

    is_new: bool = False
    """It never ran here, so there is nothing to compare with."""
    definition: bool = False
    """Its command line, or the list of its settings, changed in dvc.yaml."""
    settings: Mapping[str, tuple[object, object]] = {}
    """Old and new value by dotted key within the profile; None where there is none."""
    data: Mapping[str, str] = {}
    """Inputs that are no code: by path the stage that makes it, else an empty text."""
    code: Mapping[str, tuple[str, ...]] = {}
    """Files that changed, by package (or by the file itself); empty where it is not known which."""
    outs: Mapping[str, str] = {}
    """Outs that are missing or were changed by hand, with DVC's word for it."""

    @property
    def is_code_alone(self) -> bool:
        """Whether nothing changed but the program."""
        has_others = self.is_new or self.settings or self.data or self.outs
        return bool(self.code or self.definition) and not has_others

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return {
            **{name: dict(value) if isinstance(value, Mapping) else value for name, value in self._asdict().items()},
            "settings": {key: list(pair) for key, pair in self.settings.items()},
            "code": {package: list(files) for package, files in self.code.items()},
        }


def lines(stages: Mapping[str, Mapping[str, Any]], width: int) -> Iterator[str]:
    """One paragraph for all stages with the same reasons, in the order in which they run; `stages` as of `plain`."""
    groups: dict[str, list[str]] = {}
    for name, reasons in stages.items():
        if text := "; ".join(_texts(reasons)):
            groups.setdefault(text, []).append(name)
    for text, names in groups.items():
        yield from textwrap.wrap(
            f"- {shortened(names, MOST_STAGES)}: {text}",
            width,
            subsequent_indent="  ",
            break_long_words=False,
            break_on_hyphens=False,
        )


def _texts(reasons: Mapping[str, Any]) -> Iterator[str]:
    if reasons["is_new"]:
        yield "did not run here before"
        return
    if settings := reasons["settings"]:
        shown = [f"{key} {short(old)} -> {short(new)}" for key, (old, new) in settings.items()]
        yield f"settings {shortened(shown, MOST_SETTINGS)}"
    if data := reasons["data"]:
        yield f"data {shortened([f'{path} of {maker}' if maker else path for path, maker in data.items()], MOST_NAMES)}"
    if code := reasons["code"]:
        yield f"code {shortened(list(_packages(code)), MOST_NAMES)}"
    if reasons["definition"]:
        yield "its lines in dvc.yaml"
    for word, num in Counter(reasons["outs"].values()).items():
        yield f"{num} {'outs' if num > 1 else 'out'} {word}"


def _packages(code: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Packages with the files that changed, those of which none is known last; several files of one folder together."""
    alone = [path for path in code if path.endswith(".py")]
    parents = Counter(path.rpartition("/")[0] for path in alone)
    folders = {path: list(files) for path, files in code.items() if path not in alone}
    for path in alone:
        parent, _, name = path.rpartition("/")
        if parents[parent] > 1:
            folders.setdefault(parent, []).append(name)
        else:
            yield path
    for path, files in sorted(folders.items(), key=lambda pair: not pair[1]):
        yield f"{path} ({shortened(files, MOST_FILES)})" if files else f"folder {path}"


def shortened(names: Sequence[str], most: int) -> str:
    """Names as a list for a sentence, those beyond `most` as their number."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def short(value: object, width: int = VALUE_WIDTH) -> str:
    """A setting's value on one line of at most so many characters."""
    return textwrap.shorten("none" if value is None else str(value), width, placeholder=" ...") or "''"
