"""Models and how they are asked."""

from typing import Annotated, Literal

from pydantic import Field, JsonValue, field_validator
from pydantic_core import PydanticCustomError

from stages.edge.params.section import Count, Dtype, Positive, Section, Share


class Base(Section):
    """The student's starting weights."""

    kind: Literal["package", "folder", "hub"]
    """`package`: a GGUF in an installed Python package; `folder`: a transformers folder; `hub`: a hub repository."""
    name: str
    """Package, path or hub id."""
    file: str | None
    """The GGUF's file name; null unless `package`."""
    revision: str | None
    """Hub commit; null takes the newest and records it."""


class Sampling(Section):
    """Every sampling field, always sent: none is left to a server's or model's defaults."""

    temperature: Annotated[float, Field(ge=0)]
    top_p: Annotated[float, Field(gt=0, le=1)]
    top_k: Annotated[int, Field(ge=-1)]
    """-1: no limit."""
    min_p: Share
    repetition_penalty: Positive
    max_tokens: Count
    """Limit of one answer, in tokens."""


OURS = {
    *("model", "messages", "seed", "n", "stream", "stream_options", "return_token_ids", "reasoning_effort"),
    *Sampling.model_fields,
}
"""Fields of a request that are no one else's to set: with a seed of its own, all samples would be the same."""


class Model(Section):
    """A model that answers, and how it is run."""

    name: str
    """A student of the graph, such as `base`; otherwise a folder of weights, or a hub id."""
    revision: str | None
    dtype: Dtype
    quantization: str | None
    reasoning_parser: str | None
    """vLLM's parser that tells reasoning from content; null where the model does not reason apart."""
    extra_body: dict[str, JsonValue]
    """More fields of each request, such as `chat_template_kwargs`."""

    @field_validator("extra_body")
    @classmethod
    def _nothing_of_ours(cls, fields: dict[str, JsonValue]) -> dict[str, JsonValue]:
        if ours := sorted(fields.keys() & OURS):
            raise PydanticCustomError(
                "extra_body", "{field} is set by the pipeline: it has settings of its own", {"field": ours[0]}
            )
        return fields
