"""Exams and what is reported of them."""

from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from stages.edge.params.models import Model, Sampling
from stages.edge.params.section import Count, Dtype, Samples, Section, Share


class Prompt(Section):
    """What stands around a problem when a student is asked; it is trained in the same form."""

    system: str | None
    suffix: str | None
    """Added to the problem after a newline."""


class Until(Section):
    """How narrow the interval of an exam must be before no more samples are drawn (`core/sampling/precision.py`).

    There an answer is right where it has the key of the gold or is the same number. One that only algebra or
    `judge.llm` finds equal counts as wrong, though not in the table: it may end an exam a round earlier or later.
    So may an answer before a cut, which is read here whatever `answer_before_cut` says.
    """

    ci_width: Annotated[float, Field(gt=0, lt=1)]
    """From the lower to the upper end of the 95% interval of one student on one benchmark, as a share: 0.1 is ten
    points."""
    max_samples: Samples
    """Of each problem; at least num_samples."""


class Asked(Section):
    """How every student is asked."""

    num_samples: Samples
    """Of each problem; with `until`, the first round."""
    until: Until | None
    """null: num_samples are drawn, whatever the interval."""
    dtype: Dtype
    reasoning_parser: str | None
    sampling: Sampling

    @field_validator("until")
    @classmethod
    def _at_least_num_samples(cls, until: Until | None, info: ValidationInfo) -> Until | None:
        num_samples = info.data.get("num_samples", 2)
        if until and num_samples < 2:
            raise PydanticCustomError("until", "num_samples should be at least 2: one does not tell what more would do")
        if until and until.max_samples < num_samples:
            raise PydanticCustomError("until", "max_samples should be at least num_samples, {num_samples}", info.data)
        return until


class Cut(Section):
    """What a text that the limit of tokens cut off is worth in an exam."""

    answer_before_cut: bool
    """Whether an answer that stands before the cut counts, right or wrong; false: such a text has no answer. lm-eval
    and lighteval count it. The share of samples that it concerns stands below the table of results."""


class Protocol(Asked, Cut):
    """How every student is examined."""

    pass_k: Count
    """j of pass@j; at most num_samples."""

    @field_validator("pass_k")
    @classmethod
    def _at_most_num_samples(cls, pass_k: int, info: ValidationInfo) -> int:
        if pass_k > info.data.get("num_samples", pass_k):
            raise PydanticCustomError("pass_k", "Input should be at most num_samples, {num_samples}", info.data)
        return pass_k


class Override(Section):
    """Sampling fields in which one student's exam departs from the protocol."""

    temperature: Annotated[float, Field(ge=0)] | None
    top_p: Annotated[float, Field(gt=0, le=1)] | None
    max_tokens: Count | None


class ExamRules(Section):
    """How students are examined."""

    protocol: Protocol
    overrides: dict[str, Override]
    """By student."""

    def departures(self, student: str) -> dict[str, object]:
        """The sampling fields in which a student is asked otherwise than the protocol says."""
        own = self.overrides[student].model_dump(exclude_none=True) if student in self.overrides else {}
        return {name: value for name, value in own.items() if value != getattr(self.protocol.sampling, name)}

    def max_tokens(self, student: str) -> int:
        """Tokens that the exam lets a student write."""
        own = self.overrides[student].max_tokens if student in self.overrides else None
        return own or self.protocol.sampling.max_tokens


class Exam(ExamRules):
    """How students are asked and examined."""

    prompt: Prompt


class Baseline(Section):
    """Another model to examine."""

    name: str
    model: Model
    efforts: list[str]
    """Efforts of `prompts` with which it is asked, each apart; empty: asked like a student."""

    @field_validator("efforts")
    @classmethod
    def _each_once(cls, efforts: list[str]) -> list[str]:
        if len(set(efforts)) < len(efforts):
            raise PydanticCustomError("efforts", "Input should name each effort once")
        return efforts


class PublishedFigures(Section):
    """What others have published for the same exams, shown beside ours."""

    source: str | None
    figures: dict[str, dict[str, tuple[float, float]]]
    """avg and pass in percent, by student and benchmark."""


class Report(Section):
    """Numbers of the result table."""

    num_resamples: Count
    seed: int
    max_repeated_share: Share
    """An answer of which more repeats itself is counted as a loop."""
    num_traces: Count
    """Traces of each SFT stage's teacher, and as many of all students, that the page of results holds to be read: of
    more than these it takes whole problems, by draw."""
    published: PublishedFigures
