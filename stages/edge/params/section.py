"""What every section of params.yaml is made of."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, model_validator
from pydantic_core import PydanticCustomError

Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]
MOST_SAMPLES = 2**15 - 1
Samples = Annotated[int, Field(ge=1, le=MOST_SAMPLES)]
"""Samples of a problem: their index is an int16 in the tables."""
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Dtype = Literal["float32", "bfloat16", "float16", "auto"]


class Section(BaseModel):
    """Base of every section: frozen, strict about keys, finite numbers only."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _note_names(cls, value: Any, info: ValidationInfo) -> Any:  # noqa: ANN401
        """Leave the names of this section in the context, for the message about one that is none of them."""
        if info.context is not None and isinstance(value, Mapping):
            info.context[id(value)] = list(cls.model_fields)
        return value


def disagreement(what: str) -> PydanticCustomError:
    """What to raise where sections, each possible alone, do not go together."""
    return PydanticCustomError("disagreement", "{what}", {"what": what})
