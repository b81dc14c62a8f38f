"""The teachers and what they are asked."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from stages.edge.params.models import Model, Sampling
from stages.edge.params.section import MOST_SAMPLES, Count, Samples, Section, Share


class TeacherModel(Model):
    """One of the models that teach."""

    label: str
    """Its name in the traces."""


class Shot(Section):
    """An example in the teacher's chat; `topic` null shows it with every problem."""

    topic: str | None
    prompt: str
    response: str


class Adaptive(Section):
    """When a problem gets no more samples; `num_samples` is then the most that it may get.

    See `core/sampling/adaptive.py`. Two answers count as one where they have the same key.
    """

    start: Samples
    """Samples of every problem."""
    step: Count
    """More samples in each further round."""
    confidence: Annotated[float, Field(gt=0.5, lt=1)]
    """Stop when the leading answer is more frequent than the second with this probability."""
    hopeless_share: Share
    """Give up when the leading answer has this share of all samples with a probability of only 1 - confidence."""
    until_right: Samples | None
    """Where the gold is gradable, stop at so many right samples, by key or number alone, and not before it because the
    right answer leads; null: go by the votes alone."""


class TeacherPrompt(Section):
    """What a model is asked with at one effort, besides the problem: when it teaches, and as a baseline."""

    reasoning_effort: Literal["low", "medium", "high"] | None
    """Sent to models that have that switch; null elsewhere."""
    system: str | None
    suffix: str | None
    examples: list[Shot]


class Teach(Section):
    """How the teachers are asked at one effort; with what, `prompts` has."""

    models: Annotated[list[TeacherModel], Field(min_length=1)] | None
    """Who teaches at this effort; null: `teach.models`."""
    num_samples: Annotated[int, Field(ge=0, le=MOST_SAMPLES)]
    """0 asks nothing: the SFT sets are published ones."""
    adaptive: Adaptive | None
    """null: every problem gets num_samples."""
    sampling: Sampling
    max_tokens_when_cut_off: Count | None
    """An answer that came to the end of its budget is asked for once more with this one; null: it stays cut off."""

    @model_validator(mode="after")
    def _right_ones_are_among_all(self) -> "Teach":
        right = self.adaptive.until_right if self.adaptive else None
        if right is not None and right > self.num_samples > 0:
            raise ValueError(f"adaptive.until_right {right} is more than num_samples {self.num_samples}")
        return self

    @field_validator("max_tokens_when_cut_off")
    @classmethod
    def _more_than_before(cls, larger: int | None, info: ValidationInfo) -> int | None:
        sampling = info.data.get("sampling")
        if larger is not None and sampling is not None and larger <= sampling.max_tokens:
            raise PydanticCustomError("larger", "Input should be more than sampling.max_tokens")
        return larger


class Teacher(Section):
    """The models that teach, each with traces of its own; every other key is an effort, at which they are asked."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Teach]

    models: Annotated[list[TeacherModel], Field(min_length=1)]
    """Who teaches at each effort that names no models of its own."""

    @property
    def by_effort(self) -> dict[str, Teach]:
        """The efforts by name, sorted."""
        return dict(sorted((self.model_extra or {}).items()))

    def models_of(self, effort: str) -> list[TeacherModel]:
        """Who teaches at an effort."""
        return self.by_effort[effort].models or self.models
