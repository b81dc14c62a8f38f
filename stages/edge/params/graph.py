"""The graph of stages, at the top of params.yaml: who teaches which effort, and what each SFT stage learns from."""

from collections.abc import Iterator, Mapping
from typing import Self

from pydantic import ConfigDict, model_validator

from stages.edge.params.section import Section, disagreement

BASE, BASELINES = "base", "baselines"
"""Names that the graph has besides those of SFT stages: the starting weights, and other models that are examined."""


class SftStage(Section):
    """One stage of training; its student has its name."""

    effort: str
    """Whose traces it learns from: an effort, or a pool of efforts."""
    init: str
    """The student that it starts from."""
    after: str
    """The student that is shown before it. All stages together are one chain from `base` to `last`."""


class TaughtBy(Section):
    """Who may teach an effort besides models from outside."""

    model: str
    """A student of the graph: `teach@EFFORT` depends on its weights."""


class Pool(Section):
    """Two efforts as one: their traces vote together and are mixed in one SFT set. A pool may be of pools."""

    first: str
    second: str


class Named(Section):
    """An item of which dvc.yaml needs the name alone."""

    model_config = ConfigDict(extra="allow")


class Graph(Section):
    """The names that dvc.yaml runs a stage for, which all profiles share."""

    sft: dict[str, SftStage]
    last: str
    """The SFT stage that no other comes after."""
    teachers: dict[str, TaughtBy]
    """Efforts that are asked."""
    pools: dict[str, Pool]
    efforts: dict[str, Named]
    """`teachers` and `pools`: what is read, voted on and judged."""
    students: dict[str, Named]
    """`base` and the students of `sft`: who is examined."""
    marked: dict[str, Named]
    """`students` and `baselines`: whose exams are judged."""

    @property
    def chain(self) -> list[str]:
        """The students in the order in which they are shown, `base` first."""
        names = [self.last]
        while names[0] != BASE:
            names.insert(0, self.sft[names[0]].after)
        return names

    def members(self, effort: str) -> list[str]:
        """The efforts whose traces an effort has: of a pool those that are in it, else itself."""
        if effort not in self.pools:
            return [effort]
        pool = self.pools[effort]
        return list(dict.fromkeys([*self.members(pool.first), *self.members(pool.second)]))

    @model_validator(mode="after")
    def _is_a_graph(self) -> Self:
        for faults in (self._strangers, self._rings, self._twice, self._gaps, self._incomplete):
            for fault in faults():
                raise disagreement(fault)
        return self

    def _strangers(self) -> Iterator[str]:
        """Names that are not there, or are another's."""
        students, efforts = [BASE, *self.sft], [*self.teachers, *self.pools]
        for name in {BASE, BASELINES} & self.sft.keys():
            yield f"sft has a stage {name!r}, a name that the graph has already: give it another"
        for name in self.teachers.keys() & self.pools.keys():
            yield f"teachers and pools both have {name!r}: give one of them another name"
        for stage, each in self.sft.items():
            yield from _unknown(f"sft.{stage}.effort", each.effort, "efforts", efforts)
            yield from _unknown(f"sft.{stage}.init", each.init, "students", students)
            yield from _unknown(f"sft.{stage}.after", each.after, "students", students)
        for effort, by in self.teachers.items():
            yield from _unknown(f"teachers.{effort}.model", by.model, "students", students)
        for name, pool in self.pools.items():
            yield from _unknown(f"pools.{name}.first", pool.first, "efforts", efforts)
            yield from _unknown(f"pools.{name}.second", pool.second, "efforts", efforts)
        yield from _unknown("last", self.last, "students", students)

    def _rings(self) -> Iterator[str]:
        """Students that would be needed before they are there."""
        before: dict[tuple[str, str], list[tuple[str, str]]] = {}
        for effort, by in self.teachers.items():
            before["effort", effort] = [("student", by.model)]
        for name, pool in self.pools.items():
            before["effort", name] = [("effort", pool.first), ("effort", pool.second)]
        for stage, each in self.sft.items():
            before["student", stage] = [("effort", each.effort), ("student", each.init)]
        for start in before:
            path = _way_back(before, start)
            if path:
                names = " <- ".join(f"{kind} {name}" for kind, name in path)
                yield f"the graph has a ring, in which each needs the next: {names}; change one of them"

    def _twice(self) -> Iterator[str]:
        """Efforts that a pool would have twice."""
        for name, pool in self.pools.items():
            for effort in set(self.members(pool.first)) & set(self.members(pool.second)):
                yield f"pools.{name} has the effort {effort!r} twice: each of its traces would count twice"

    def _gaps(self) -> Iterator[str]:
        """SFT stages that the chain of `after` does not reach."""
        seen: list[str] = []
        name = self.last
        while name != BASE and name not in seen:
            seen.append(name)
            name = self.sft[name].after
        if name != BASE:
            yield f"sft.{name}.after leads back to {name!r}: the chain of `after` must begin at {BASE!r}"
        elif missing := [stage for stage in self.sft if stage not in seen]:
            yield (
                f"last is {self.last!r}, whose chain of `after` does not reach {missing[0]!r}: let each stage come "
                "after another one, and let `last` be the one that none comes after"
            )

    def _incomplete(self) -> Iterator[str]:
        """Lists of names that are not those that they have to be."""
        wanted = {
            "efforts": ([*self.teachers, *self.pools], "{<<: [*teachers, *pools]}"),
            "students": ([BASE, *self.sft], "{base: {}, <<: *sft}"),
            "marked": ([BASE, BASELINES, *self.sft], "{base: {}, baselines: {}, <<: *sft}"),
        }
        for name, (names, text) in wanted.items():
            if set(getattr(self, name)) != set(names):
                yield f"{name} has {sorted(getattr(self, name))} and must have {sorted(names)}: write {name}: {text}"


def _unknown(where: str, name: str, kind: str, known: list[str]) -> Iterator[str]:
    if name not in known:
        yield f"{where} is {name!r}, which is none of the {kind} {known}"


def _way_back(
    before: Mapping[tuple[str, str], list[tuple[str, str]]], start: tuple[str, str]
) -> list[tuple[str, str]] | None:
    """The way from an item through what it needs back to itself."""
    waiting, seen = [[start]], set[tuple[str, str]]()
    while waiting:
        path = waiting.pop()
        for each in before.get(path[-1], []):
            if each == start:
                return [*path, each]
            if each not in seen:
                seen.add(each)
                waiting.append([*path, each])
    return None
