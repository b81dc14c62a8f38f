"""From answers to labels and verdicts."""

from typing import Annotated, Literal

from pydantic import Field

from stages.edge.params.models import Model, Sampling
from stages.edge.params.section import Count, Positive, Section, Share


class Versions(Section):
    """Versions of the libraries that decide verdicts."""

    math_verify: str
    latex2sympy2_extended: str
    sympy: str


class Vote(Section):
    """From answers to a label."""

    policy: Literal["reasonlite", "all_disagree", "posterior", "never"]
    """When the vote's answer replaces the gold: `reasonlite` when it is clear, `all_disagree` when besides no answer
    agrees with the gold, `posterior` when it is credibly clear, `never`."""
    min_share: Share
    """Of the traces that have an answer."""
    min_votes: Count
    credibility: Share
    """Of `posterior`: probability that the share is at least `min_share` in the long run."""
    models: list[str] | None
    """Labels of the teachers whose traces are counted; null: all."""


class SymbolicLimits(Section):
    """Limits of the symbolic tier, per pair of answers. A pair over them has the verdict `timeout`."""

    seconds: Positive
    memory_gib: Positive


class LlmJudge(Model):
    """A model that is asked about pairs of answers that algebra could not decide, in both orders."""

    reasoning_effort: Literal["low", "medium", "high"] | None
    sampling: Sampling
    num_overlap: Annotated[int, Field(ge=0)]
    """Pairs that algebra decided and the model is asked about too, for its agreement (Cohen's kappa)."""


class Judge(Section):
    """What the judge forgives, and the judge of pairs of answers that algebra leaves undecided."""

    rounded_golds: bool
    """Whether a decimal gold of three digits or more accepts an exact fraction that rounds to it: 6.46 and 84/13."""
    llm: LlmJudge | None
    """null: a pair that algebra cannot decide stays undecided."""
