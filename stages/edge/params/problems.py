"""Where problems and benchmarks come from, and what is dropped of them."""

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Literal, Self

from pydantic import Field, JsonValue, model_validator
from pydantic_core import PydanticCustomError

from stages.edge.params.section import Count, Section


class GeneratedSource(Section):
    """Procedural word problems with exact answers (`core/problems/arithmetic.py`)."""

    kind: Literal["generated"]
    name: str
    topic: Literal["one_step", "two_steps"]
    split: Literal["train", "exam"]


class Columns(Section):
    """Names of a source's columns; null where it has none."""

    prompt: str
    gold: str | None
    id: str | None
    """The source's own id, which has to be unique there."""
    topic: str | None
    difficulty: str | None


AnyColumns = str | Columns
"""The columns of a well-known data set by its name in `core/problems/intake.py`, or their names."""


class Excluded(Section):
    """Values that a row must not have."""

    without: list[JsonValue]


Where = Mapping[str, list[JsonValue] | Excluded]
"""Values that a row must have, or `without: [...]` those that it must not have, by column; {} takes all.

YAML reads Yes and No without quotes as booleans: "Yes" and "No" are the words.
"""


class FilesSource(Section):
    """JSONL, JSON, CSV or Parquet, here or anywhere that fsspec reaches (`s3://...`)."""

    kind: Literal["files"]
    name: str
    path: str
    """Relative to data/sources (whose changes DVC sees), absolute, or a URL. `*` stands for any name."""
    columns: AnyColumns
    where: Where
    published: date | None
    """When it became public; null where that is not known."""


class HubSplit(Section):
    """A split of a Hugging Face dataset, streamed."""

    dataset: str
    config: str | None
    split: str
    revision: str | None
    """Commit; null takes the newest on the first run and refuses another one later."""


class HubSource(HubSplit):
    """Problems from the hub."""

    kind: Literal["hub"]
    name: str
    columns: AnyColumns
    where: Where
    published: date | None


Source = Annotated[GeneratedSource | FilesSource | HubSource, Field(discriminator="kind")]


class Benchmark(Section):
    """An exam: a source and what is known of it."""

    source: Source
    published: date | None
    """When it became public."""
    num_problems: Count
    """Rows it must have."""
    answers: tuple[int, int] | None
    """Lowest and highest of its answers, where these are integers."""
    answers_digest: str | None
    """What its answers must hash to (`core/problems/problems.py`); null: not checked."""


class Generator(Section):
    """Operands of the generated problems."""

    lowest: Count
    highest: Count
    num_exam_pairs: Count
    """Unordered operand pairs kept for the exams; no training problem uses them."""
    seed: int


class Deduplicate(Section):
    """What counts as the same problem; equal wording always does."""

    min_similarity: Annotated[float, Field(gt=0, le=1)] | None
    """Jaccard similarity of word triples from which problems with the same numbers and gold are one; null: never."""


class Grams(Section):
    """A rule on word n-grams."""

    size: Count
    """Words."""
    min_share: Annotated[float, Field(gt=0, le=1)]


class Embedding(Section):
    """A rule on embeddings."""

    model: str
    """A text encoder: hub id, or a folder."""
    revision: str | None
    min_similarity: Annotated[float, Field(gt=0, le=1)]
    """Cosine."""


class Decontaminate(Section):
    """Rules by which a problem counts as seen in a benchmark."""

    exact: bool
    """The same words and numbers in the same order."""
    unordered: bool
    """The same words and numbers in any order."""
    ngram: Grams | None
    """It holds at least this share of the question's n-grams."""
    masked: Grams | None
    """Least Jaccard similarity of their n-grams with numbers masked: the question with other numbers."""
    embedding: Embedding | None
    keep: list[str]
    """Ids of problems that a person has checked and that stay in spite of the rules."""


class Collect(Section):
    """Problems and benchmarks."""

    generator: Generator
    sources: list[Source]
    benchmarks: list[Benchmark]
    deduplicate: Deduplicate
    decontaminate: Decontaminate

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        for names in ([each.name for each in self.sources], [each.source.name for each in self.benchmarks]):
            if twice := [name for name in names if names.count(name) > 1]:
                raise PydanticCustomError("names", "two sources are named {name}", {"name": twice[0]})
        return self
