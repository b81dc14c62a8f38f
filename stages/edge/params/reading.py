"""Settings read from params.yaml."""

import difflib
import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from stages.edge.errors import SettingError
from stages.edge.files import yaml_text
from stages.edge.params.exams import Exam
from stages.edge.params.graph import Graph
from stages.edge.params.judging import Versions
from stages.edge.params.section import Section
from stages.edge.params.training import Train
from stages.edge.params.whole import Profile, misfits

SectionT = TypeVar("SectionT")
PartT = TypeVar("PartT", bound=Section)

PATH = Path("params.yaml")
MAX_ERRORS, MAX_CHARS = 8, 60
"""Errors and characters of a value that one message shows."""
UNKNOWN = "extra_forbidden"
"""What pydantic calls a key that a section does not have."""
MOVED = {
    "pool_efforts": "a pool is now an entry of `pools` at the top, such as `both: {first: medium, second: high}`",
    **dict.fromkeys(("reasoning_effort", "system", "suffix", "examples"), "it now stands in prompts, by effort"),
}
"""What to write in place of keys that sections had in earlier versions."""


@cache
def content() -> bytes:
    """The file as it stands, read once a process: an edit while a stage runs is for the next one."""
    try:
        return PATH.read_bytes()
    except OSError as error:
        raise SettingError(f"{PATH}: cannot be read ({error}); run stages from the project's root") from error


def document() -> dict[str, object]:
    """The file, parsed."""
    return _parsed(content())


@cache
def _parsed(text: bytes) -> dict[str, object]:
    try:
        settings = yaml_text.parsed(text)
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise SettingError(f"{PATH}: cannot be read as YAML ({error}); mend it there") from error
    if not isinstance(settings, dict):
        raise SettingError(f"{PATH}: must be a mapping of sections")
    return settings


def _profiles() -> Mapping[str, object]:
    if "profiles" not in document():
        raise SettingError(f"params.yaml: has no section `profiles`, only {', '.join(map(str, document()))}")
    profiles = document()["profiles"]
    if not isinstance(profiles, Mapping):
        raise SettingError("params.yaml: profiles: must be a mapping of profiles by name")
    return profiles


def profile() -> str:
    """Name of the chosen profile."""
    name, known = document().get("profile"), _profiles()
    if not isinstance(name, str) or name not in known:
        raise SettingError(f"params.yaml: profile: {name!r} is not one of {sorted(known)}")
    return str(name)


def load_profile(name: str) -> Profile:
    """All sections of a profile, the chosen one or not.

    Raises:
        SettingError: there is none of that name, or any key of it is unknown, mistyped or impossible.
    """
    known = _profiles()
    if name not in known:
        raise SettingError(f"params.yaml: {name!r} is not one of the profiles {sorted(known)}")
    return _validated(content(), name)


@cache
def _validated(_: bytes, name: str) -> Profile:
    """A profile of a file with this content: it is validated once a process."""
    profile = _parse(Profile, f"profiles.{name}")
    for fault in misfits(profile, graph()):
        raise SettingError(f"params.yaml: profiles.{name}: {fault}")
    return profile


def graph() -> Graph:
    """The graph that all profiles share.

    Raises:
        SettingError: a part is missing, has a ring, or names what is not there.
    """
    return _graph(content())


@cache
def _graph(_: bytes) -> Graph:
    """The graph of a file with this content."""
    return _checked(Graph, {name: value for name, value in document().items() if name in Graph.model_fields}, "")


def text_with(name: str) -> str:
    """params.yaml as if `name` were the chosen profile and the only one, for what reads the file's text."""
    kept = {key: value for key, value in _profiles().items() if key == name}
    return yaml.safe_dump({**document(), "profile": name, "profiles": kept}, sort_keys=False)


def fingerprints() -> dict[str, str]:
    """A short hash of each section of the chosen profile, `runtime` apart, and of each part of one: `train.turbo`."""
    chosen = _profiles()[profile()]
    sections = dict(chosen) if isinstance(chosen, Mapping) else {}
    parts = {
        f"{name}.{part}": value
        for name, section in sections.items()
        for part, value in (section.items() if isinstance(section, Mapping) else ())
    }
    known = {name: value for name, value in (sections | parts).items() if name.split(".")[0] != "runtime"}
    return {name: _short_hash(value) for name, value in known.items()}


def _short_hash(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:8]


def load(kind: type[SectionT], section: str) -> SectionT:
    """A section of the chosen profile, e.g. `load(Train, "train.turbo")`; `kind` may also be `list[Baseline]`.

    Raises:
        SettingError: it is missing, or any key of the profile is unknown, mistyped or impossible.
    """
    return TypeAdapter(kind).validate_python(_section(section))


def _section(name: str) -> object:
    section: object = load_profile(profile())
    for part in name.split("."):
        fields = _fields(section)
        if part not in fields:
            raise SettingError(f"params.yaml: profiles.{profile()}.{name} is missing")
        section = fields[part]
    return section


def _fields(section: object) -> Mapping[str, object]:
    """The fields of a section by name; none of a value that is no section."""
    return dict(section) if isinstance(section, BaseModel | Mapping) else {}


def load_part(kind: type[PartT], section: str) -> PartT:
    """The fields that `kind` has of a section of the chosen profile, validated without its other fields.

    Raises:
        SettingError: as `load`.
    """
    whole = _fields(_section(section))
    return kind.model_validate({name: whole[name] for name in kind.model_fields})


def exam_budgets(student: str) -> dict[str, int]:
    """Tokens that exams let a student of an SFT stage write, by the setting that says so.

    For a check before its training, which these settings do not decide.
    """
    exam, train = load(Exam, "exam"), load(Train, f"train.{student}")
    budgets = {f"exam.overrides.{student}": exam.max_tokens(student)} if student in exam.overrides else {}
    if train.is_examined and train.checkpoint_exam:
        budgets[f"train.{student}.checkpoint_exam.sampling"] = train.checkpoint_exam.sampling.max_tokens
    return budgets


def max_length(student: str) -> int:
    """Tokens that a row of an SFT stage may have. For a check before its training, which it does not decide."""
    return load(Train, f"train.{student}").max_length


def load_shared(kind: type[SectionT], section: str) -> SectionT:
    """A section that all profiles share, e.g. `load_shared(Versions, "versions")`."""
    return _parse(kind, section)


def _parse(kind: type[SectionT], key: str) -> SectionT:
    value: object = document()
    for part in key.split("."):
        if not isinstance(value, Mapping) or part not in value:
            raise SettingError(f"params.yaml: {key} is missing")
        value = value[part]
    return _checked(kind, value, key)


def _checked(kind: type[SectionT], value: object, key: str) -> SectionT:
    """`value`, which stands under `key` (empty: at the top), as a section."""
    names: dict[int, list[str]] = {}
    try:
        return TypeAdapter(kind).validate_python(value, context=names)
    except ValidationError as error:
        errors = sorted(error.errors(), key=lambda fault: fault["type"] != UNKNOWN)
        messages = [_message(key, fault, _parent(value, fault["loc"]), names) for fault in errors[:MAX_ERRORS]]
        more = [f"and {len(errors) - MAX_ERRORS} more"] if len(errors) > MAX_ERRORS else []
        raise SettingError(f"params.yaml: {'; '.join([*messages, *more])}") from error


def _message(key: str, error: ErrorDetails, parent: object, names: Mapping[int, list[str]]) -> str:
    """The message about one setting. `parent` is the mapping that holds it; `names` are the keys that each may have."""
    where = ".".join(part for part in (key, *map(str, error["loc"])) if part) or "the graph"
    value = repr(error["input"])
    value = value if len(value) <= MAX_CHARS else f"{value[:MAX_CHARS]}..."
    message = f"{where}: {error['msg']}" + ("" if isinstance(error["input"], Mapping) else f" (found {value})")
    allowed = names.get(id(parent), [])
    if error["type"] != UNKNOWN or not allowed:
        return message
    name = str(error["loc"][-1])
    if name in MOVED:
        return f"{message}: {MOVED[name]}"
    similar = difflib.get_close_matches(name, allowed, n=1)
    suggestion = f"did you mean {similar[0]}? " if similar else ""
    return f"{message}: {suggestion}It may have {', '.join(allowed)}"


def _parent(value: object, loc: Sequence[int | str]) -> object:
    """The value that holds the last part of `loc`. Parts that are no keys name the kind of section pydantic tried."""
    for part in loc[:-1]:
        if (isinstance(value, Mapping) and part in value) or (isinstance(value, list) and isinstance(part, int)):
            value = value[part]  # type: ignore[index]
    return value


def check_versions(wanted: Versions) -> None:
    """Stop when an installed library that decides verdicts is not the version that params.yaml names."""
    for name, expected in wanted:
        package = name.replace("_", "-") if name == "math_verify" else name
        installed = version(package)
        if installed != expected:
            raise SettingError(
                f"params.yaml: versions.{name} is {expected}, but {installed} is installed; install the lock, or "
                "change versions and let the verdicts be made anew"
            )
