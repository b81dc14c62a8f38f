"""A profile: all sections, which have to agree."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import combinations
from typing import Self

from pydantic import model_validator

from stages.edge.params.curation import Curate
from stages.edge.params.exams import Baseline, Exam, Report
from stages.edge.params.graph import BASE, Graph
from stages.edge.params.judging import Judge, SymbolicLimits, Vote
from stages.edge.params.machine import Runtime
from stages.edge.params.models import Base
from stages.edge.params.problems import Collect
from stages.edge.params.section import Section, disagreement
from stages.edge.params.teaching import Teacher, TeacherPrompt
from stages.edge.params.training import Train


class Profile(Section):
    """All sections of a profile."""

    base: Base
    collect: Collect
    prompts: dict[str, TeacherPrompt]
    """By effort."""
    teach: Teacher
    vote: Vote
    symbolic: SymbolicLimits
    judge: Judge
    curate: dict[str, Curate]
    """By SFT stage, as is `train`."""
    train: dict[str, Train]
    exam: Exam
    baselines: list[Baseline]
    examine: list[str]
    """Which of `baselines` are asked, by name; `all`: every one."""
    report: Report
    runtime: Runtime

    @model_validator(mode="after")
    def _agree(self) -> Self:
        """Sections that name each other agree."""
        named = {f"curate.{stage}.mixture": list(each.mixture) for stage, each in self.curate.items()}
        named |= {f"baselines.{place}.efforts": each.efforts for place, each in enumerate(self.baselines)}
        named |= {"teach": list(self.teach.by_effort)}
        for where, efforts in named.items():
            if strangers := sorted(set(efforts) - set(self.prompts)):
                raise disagreement(f"{where} names {strangers}; the efforts of prompts are {sorted(self.prompts)}")
        listed = [each.name for each in self.baselines]
        if strangers := sorted(set(self.examine) - {"all", *listed}):
            raise disagreement(
                f"examine names {strangers[0]!r}, which is none of `baselines`; these are {listed}, and `all` of them"
            )
        students = list(self.exam.overrides)
        for name in listed:
            if listed.count(name) > 1 or name in (*students, "all"):
                raise disagreement(
                    f"baselines has the name {name!r}, which is another's: give each its own, none of {students} (the "
                    "students that exam.overrides names; a baseline is asked as the protocol says) and not `all`"
                )
        asked_together = self.runtime.samples_per_request
        greedy = [f"teach.{name}" for name, each in self.teach.by_effort.items() if not each.sampling.temperature]
        greedy += [] if self.exam.protocol.sampling.temperature else ["exam.protocol"]
        greedy += [f"exam.overrides.{name}" for name, own in self.exam.overrides.items() if own.temperature == 0]
        if asked_together > 1 and greedy:
            raise disagreement(
                f"{greedy[0]} has the temperature 0, with which vLLM refuses several samples in a request: set "
                "runtime.samples_per_request to 1"
            )
        held_out = {stage: (each.num_held_out_problems, each.seed) for stage, each in self.curate.items()}
        if len(set(held_out.values())) > 1:
            raise disagreement(
                f"curate: num_held_out_problems and seed differ between stages ({held_out}), so that one stage would "
                "learn what another holds out; make them the same"
            )
        if idle := [stage for stage, each in self.curate.items() if not each.mixture and not each.published]:
            raise disagreement(f"curate.{idle[0]}.mixture is empty; name an effort of teach with its weight")
        for stage in self.curate.keys() & self.train.keys():
            kept, trained = self.curate[stage].filters.max_tokens, self.train[stage].max_length
            if kept > trained:
                raise disagreement(
                    f"curate.{stage}.filters.max_tokens is {kept}, more than train.{stage}.max_length, {trained}, to "
                    "which such rows would be cut"
                )
        return self

    @model_validator(mode="after")
    def _teachers_and_efforts_differ(self) -> Self:
        """Each teacher has a name of its own, and each effort asks something else."""
        own = {f"teach.{name}.models": each.models for name, each in self.teach.by_effort.items() if each.models}
        labelled = {"teach.models": self.teach.models, **own}
        for where, models in labelled.items():
            labels = [model.label for model in models]
            if len(set(labels)) < len(labels):
                raise disagreement(f"{where} has the labels {labels}; each must have its own")
        every = list(dict.fromkeys(model.label for models in labelled.values() for model in models))
        if strangers := sorted(set(self.vote.models or []) - set(every)):
            raise disagreement(f"vote.models names {strangers}; the labels of teach.models are {every}")
        asked = {
            name: (self.prompts[name], self.teach.models_of(name), effort.model_copy(update={"num_samples": 0}))
            for name, effort in self.teach.by_effort.items()
        }
        for one, other in combinations(asked, 2):
            if asked[one] == asked[other]:
                raise disagreement(f"teach.{one} and teach.{other} are the same but for num_samples; make them differ")
        return self


def misfits(profile: Profile, graph: Graph) -> Iterator[str]:
    """What a profile lacks of the graph, and where it says otherwise."""
    wanted: dict[str, tuple[Iterable[str], Mapping[str, Section]]] = {
        "prompts": (graph.teachers, profile.prompts),
        "teach": (graph.teachers, profile.teach.by_effort),
        "curate": (graph.sft, profile.curate),
        "train": (graph.sft, profile.train),
        "exam.overrides": (graph.students, profile.exam.overrides),
    }
    for section, (names, there) in wanted.items():
        for name in names:
            if name not in there:
                yield f"{section}.{name} is missing, which the graph at the top of params.yaml names: add it"
    for stage, each in graph.sft.items():
        inside = graph.members(each.effort)
        mixture = [] if profile.curate[stage].published else profile.curate[stage].mixture
        if strangers := sorted(set(mixture) - set(inside)):
            yield (
                f"curate.{stage}.mixture names {strangers}, but sft.{stage}.effort is {each.effort!r}, which has the "
                f"traces of {inside}: name these, or a pool of `pools` that has all of them"
            )
    students = {BASE, *graph.sft}
    for effort, by in graph.teachers.items():
        named = {model.name for model in profile.teach.models_of(effort)} & students
        if strangers := sorted(named - {by.model}):
            yield (
                f"{effort!r} is taught by {strangers[0]!r}, and teachers.{effort}.model is {by.model!r}: make them the "
                "same"
            )
        if by.model != BASE and by.model not in named:
            yield (
                f"teachers.{effort}.model is {by.model!r}, but no model that teaches {effort!r} has that name: set "
                f"teach.{effort}.models"
            )
    if profile.judge.llm and profile.judge.llm.name in students:
        yield f"judge.llm.name is {profile.judge.llm.name}, which knows no schema; name a hub id"
    for place, baseline in enumerate(profile.baselines):
        if baseline.model.name in graph.sft:
            yield f"baselines.{place}.model.name is {baseline.model.name!r}, a student, which is examined anyway"
