"""Settings for tests of what reads them: every rule is off but those that a test names."""

from collections.abc import Mapping
from typing import Any

from stages.edge import params

NO_TARGET = params.Target(num_rows=None, num_tokens=None)


def curation(filters: Mapping[str, Any] = {}, **changes: Any) -> params.Curate:
    off = dict.fromkeys(params.Filters.model_fields)
    return params.Curate.model_validate(
        {
            "published": None, "mixture": {"medium": 1.0}, "labels": "verified", "pass_rate": None,
            "max_per_problem": 100, "order": "random", "balance": None, "target": NO_TARGET,
            "num_held_out_problems": 0, "seed": 42,
            "filters": {**off, "conflicting_boxes": True, "max_tokens": 2**31 - 1, **filters}, **changes,
        }
    )  # fmt: skip


def decontamination(**changes: Any) -> params.Decontaminate:
    """`ngram` and `masked` are (size, least share)."""
    grams = {
        name: params.Grams(size=value[0], min_share=value[1])
        for name, value in changes.items()
        if isinstance(value, tuple)
    }
    off: dict[str, Any] = {
        "exact": False,
        "unordered": False,
        "ngram": None,
        "masked": None,
        "embedding": None,
        "keep": [],
    }
    return params.Decontaminate.model_validate({**off, **changes, **grams})


def vote(policy: str, min_share: float, min_votes: int, credibility: float) -> params.Vote:
    return params.Vote.model_validate(
        {"policy": policy, "min_share": min_share, "min_votes": min_votes, "credibility": credibility, "models": None}
    )
