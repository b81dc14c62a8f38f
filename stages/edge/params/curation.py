"""From judged traces to SFT rows."""

from typing import Annotated, Literal

from pydantic import Field

from stages.edge.params.problems import HubSplit
from stages.edge.params.section import Count, Positive, Section, Share


class Filters(Section):
    """What a trace's text may be; null takes anything."""

    conflicting_boxes: bool
    """Drop answers whose boxes say different things."""
    max_repeated_share: Share | None
    """Share of runs of twelve words that stood there before: near 1 in a loop."""
    max_foreign_share: Share | None
    """Share of letters in a script that the problem does not use."""
    max_meta_phrases: Annotated[int, Field(ge=0)] | None
    """Talk of the prompt, the user or the model itself."""
    min_tokens: Count | None
    max_tokens: Count
    """Length limits of a whole row in the student's tokens; what is outside is dropped, never cut."""
    max_similarity: Annotated[float, Field(gt=0, le=1)] | None
    """To another trace of the same problem that stays (Jaccard, runs of five words)."""


class Balance(Section):
    """That no source, no difficulty or no gold has more than a share of the rows; Yes and No are two golds."""

    by: Literal["source", "difficulty", "gold"]
    max_share: Annotated[float, Field(gt=0, le=1)]


class Target(Section):
    """How much is wanted; null: all there is."""

    num_rows: Count | None
    num_tokens: Count | None


class PublishedSet(HubSplit):
    """Conversations from the hub."""

    messages: str
    """The column of the conversations: lists of role and content."""


class Curate(Section):
    """What becomes SFT rows."""

    published: PublishedSet | None
    """A set to take instead of the teacher's traces; `teach.*.num_samples: 0` then asks for none."""
    mixture: dict[str, Positive]
    """Weight of each effort that is in the one that the stage learns from (`sft` at the top), which is several in a
    pool; the largest keeps all its rows, others in proportion."""
    labels: Literal["none", "majority", "verified"]
    """`verified`: traces that are right by the label; `majority`: that give the vote's answer; `none`: any finished."""
    filters: Filters
    pass_rate: tuple[Share, Share] | None
    """Share of right answers that the teacher must have given to a problem, lowest and highest."""
    max_per_problem: Count
    """Traces of one problem and effort."""
    order: Literal["random", "shortest", "diverse"]
    """Which of them stay."""
    balance: Balance | None
    target: Target
    num_held_out_problems: Annotated[int, Field(ge=0)]
    """Problems that are set apart, a tenth of all at most: train measures its loss on their rows, and never learns from
    them."""
    seed: int
