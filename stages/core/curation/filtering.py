"""Curation: judged traces -> SFT rows and rejects, each reject with the first filter that rejected it.

`decide` looks at whole problems, each by itself, so that the table may be worked on in pieces; `selection` weighs the
rows that are left against each other; `conversations` writes them.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Literal, Protocol

import polars as pl

from stages.core.answers.keys import agree, is_numeric
from stages.core.curation import chat, quality
from stages.core.tables.answers import VERDICT
from stages.core.tables.rejects import REJECTS
from stages.core.tables.sft import SFT, SFT_KEY, TOKENS
from stages.core.tables.traces import STATUSES
from stages.core.text.normalisation import jaccard
from stages.core.text.repetition import repeated_share

WHOLE = SFT_KEY[:3]
"""Rows that share these are decided together."""
_KEYS = {name: SFT[name] for name in SFT_KEY}
DECISIONS = pl.Schema({**REJECTS, "num_tokens": pl.Int32(), "draw": pl.Float64()})
"""One row a trace: why it is rejected (null: it stays), its length where that was counted, and its random number for
`selection`. Each selection draws its own: with shared numbers, the best three of a problem's sixteen would also come
first in the next selection, and a target would prefer easy problems."""
TRACES_IN = pl.Schema({**_KEYS, "reasoning": pl.String(), "content": pl.String(), "status": pl.Enum(STATUSES)})
VERDICTS_IN = pl.Schema({**_KEYS, "answer": pl.String(), "verdict": pl.Enum(VERDICT)})
VOTES_IN = pl.Schema({"problem_id": pl.String(), "answer": pl.String()})
PROBLEMS_IN = pl.Schema(
    {
        "problem_id": pl.String(),
        "prompt": pl.String(),
        "source": pl.String(),
        "difficulty": pl.Float32(),
        "gold": pl.String(),
    }
)

Messages = list[dict[str, str]]
Labels = Literal["none", "majority", "verified"]
Order = Literal["random", "shortest", "diverse"]


class Filters(Protocol):
    """Thresholds on a trace's text; None is off."""

    conflicting_boxes: bool
    max_repeated_share: float | None
    max_foreign_share: float | None
    max_meta_phrases: int | None
    min_tokens: int | None
    max_tokens: int
    max_similarity: float | None
    """Of a trace's runs of five words with those of one of its problem that stays (Jaccard)."""


class Rules(Protocol):
    """Which traces may stay: a section of `curate` in params.yaml.

    `labels` defines a right answer: `verified`, the judge's verdict against the label; `majority`, that it is
    the vote's answer, whatever the label; `none`, nothing, so that every finished trace may stay.
    """

    mixture: dict[str, float]
    """Weight of each effort; the largest keeps every row, the others the share weight / largest."""
    labels: Labels
    pass_rate: tuple[float, float] | None
    """Share of right answers, both ends allowed, that a problem's traces of one effort must have."""
    max_per_problem: int
    order: Order
    """Which traces of a problem and effort stay under the cap, and which of two near duplicates."""
    seed: int

    @property
    def filters(self) -> Filters:
        """What a trace's text may be."""


Row = Mapping[str, object]
Reason = str | None


def decide(
    candidates: pl.DataFrame,
    rules: Rules,
    render: Callable[[str], Messages],
    count_tokens: Callable[[Messages], int],
) -> pl.DataFrame:
    """`DECISIONS` on candidates, by every rule that looks at one problem alone.

    Args:
        candidates: columns of `TRACES_IN` and `VERDICTS_IN`, `prompt`, and `majority`, the vote's answer or null. All
            traces of a model, effort and problem, or none.
        rules: what may stay.
        render: from a problem's prompt to the messages that come before the answer.
        count_tokens: length of a whole conversation in the student's tokens.
    """
    decided: list[tuple[object, ...]] = []
    rows = candidates.sort(SFT_KEY, nulls_last=False).iter_rows(named=True)
    for _, group in groupby(rows, key=lambda row: tuple(row[name] for name in WHOLE)):
        decided += _of_one_problem(list(group), rules, render, count_tokens)
    return pl.DataFrame(decided, schema=DECISIONS, orient="row")


def _of_one_problem(
    rows: Sequence[Row], rules: Rules, render: Callable[[str], Messages], count_tokens: Callable[[Messages], int]
) -> Iterator[tuple[object, ...]]:
    keys = [tuple(row[name] for name in SFT_KEY) for row in rows]
    reasons: list[Reason] = [_reject_reason(row, rules) for row in rows]
    lengths: list[int | None] = [None] * len(rows)
    is_outside = rules.pass_rate is not None and not rules.pass_rate[0] <= _pass_rate(rows) <= rules.pass_rate[1]
    share = rules.mixture.get(str(rows[0]["effort"]), 0.0) / max(rules.mixture.values())
    before = render(str(rows[0]["prompt"]))
    for place, row in enumerate(rows):
        if reasons[place] is None and is_outside:
            reasons[place] = "pass_rate"
        if reasons[place] is None and draw(rules.seed, ("mixture", *keys[place])) >= share:
            reasons[place] = "mixture"
        if reasons[place] is None:
            answer = chat.assistant_text(_text(row["reasoning"]), str(row["content"]))
            num_tokens = count_tokens([*before, {"role": "assistant", "content": answer}])
            lengths[place], reasons[place] = num_tokens, length_reason(num_tokens, rules.filters)
    _reject_surplus(rows, reasons, lengths, [draw(rules.seed, key) for key in keys], rules)
    for key, *decision in zip(keys, reasons, lengths, strict=True):
        yield (*key, *decision, draw(rules.seed, ("target", *key)))


def _reject_reason(row: Row, rules: Rules) -> Reason:
    """The first filter on the answer itself that rejects a row, if any."""
    if row["status"] in ("refused", "failed"):
        return "failed"
    if row["status"] == "length":
        return "truncated"
    return _answer_reason(row, rules.labels) or _text_reason(row, rules.filters)


def _answer_reason(row: Row, labels: Labels) -> Reason:
    if labels == "none":
        return None
    if row["verdict"] == "no_answer" or (labels == "majority" and row["answer"] is None):
        return "no_answer"
    if labels == "majority":
        if row["majority"] is None:
            return "unjudged"
        answer, majority = str(row["answer"]), str(row["majority"])
        if agree(answer, majority):
            return None
        return "incorrect" if is_numeric(answer) and is_numeric(majority) else "unjudged"
    if row["verdict"] == "incorrect":
        return "incorrect"
    return None if row["verdict"] == "correct" else "unjudged"


def _text_reason(row: Row, filters: Filters) -> Reason:
    reasoning, content = _text(row["reasoning"]), _text(row["content"])
    if content is None or quality.is_empty(content):
        return "empty"
    text = f"{reasoning or ''}\n{content}"
    if quality.has_stray_tag(text):
        return "unclosed"
    if quality.leaks_control_token(text):
        return "control_token"
    if filters.conflicting_boxes and quality.has_conflicting_boxes(content):
        return "conflicting_boxes"
    if filters.max_repeated_share is not None and repeated_share(text) > filters.max_repeated_share:
        return "repetition"
    foreign = filters.max_foreign_share
    if foreign is not None and quality.foreign_share(text, str(row["prompt"])) > foreign:
        return "language"
    if filters.max_meta_phrases is not None and quality.num_meta_phrases(text) > filters.max_meta_phrases:
        return "meta"
    return None


def length_reason(num_tokens: int, filters: Filters) -> Reason:
    """Why a row of so many tokens is rejected, if it is."""
    if filters.min_tokens is not None and num_tokens < filters.min_tokens:
        return "too_short"
    return "too_long" if num_tokens > filters.max_tokens else None


def _pass_rate(rows: Sequence[Row]) -> float:
    """The share of right answers among those that were judged."""
    judged = [row["verdict"] for row in rows if row["verdict"] not in ("unscored", "no_label")]
    return judged.count("correct") / len(judged) if judged else 0.0


def _reject_surplus(
    rows: Sequence[Row], reasons: list[Reason], lengths: Sequence[int | None], draws: Sequence[float], rules: Rules
) -> None:
    """Give a reason to rows without one that are near duplicates of a better row, or over the cap."""
    left = [place for place, reason in enumerate(reasons) if reason is None]
    by_length = rules.order == "shortest"
    left.sort(key=lambda place: (lengths[place] if by_length else 0, draws[place]))
    limit = rules.filters.max_similarity
    if limit is not None or (rules.order == "diverse" and len(left) > rules.max_per_problem):
        texts = [
            quality.shingles(f"{_text(rows[place]['reasoning']) or ''}\n{rows[place]['content']}") for place in left
        ]
        similarity = _Similarity(texts)
        if limit is not None:
            left = _distinct(left, similarity, limit, reasons)
        if rules.order == "diverse":
            left = _diverse_order(left, similarity)
    for place in left[rules.max_per_problem :]:
        reasons[place] = "over_cap"


class _Similarity:
    """Similarity of the texts of one problem: estimated by sketches, and exact near the limit."""

    def __init__(self, texts: list[set[str]]) -> None:
        self.texts, self.sketches = texts, quality.sketches(texts)

    def estimate(self, one: int, other: int) -> float:
        return float(self.sketches[one].jaccard(self.sketches[other]))

    def reaches(self, one: int, other: int, limit: float) -> bool:
        """Whether two texts are at least so similar. The sketches are off by 0.05 at most one time in thirty."""
        return self.estimate(one, other) >= limit - 0.15 and jaccard(self.texts[one], self.texts[other]) >= limit


def _distinct(left: list[int], similarity: _Similarity, limit: float, reasons: list[Reason]) -> list[int]:
    """Those similar to none before them; the texts are numbered as `left` is. The others get a reason."""
    kept: list[int] = []
    for number, place in enumerate(left):
        if any(similarity.reaches(number, other, limit) for other in kept):
            reasons[place] = "near_duplicate"
        else:
            kept.append(number)
    similarity.texts = [similarity.texts[number] for number in kept]
    similarity.sketches = [similarity.sketches[number] for number in kept]
    return [left[number] for number in kept]


def _diverse_order(left: list[int], similarity: _Similarity) -> list[int]:
    """Farthest-first order: each is the least similar to those before it (Gonzalez, 1985)."""
    if not left:
        return []
    ordered, waiting = [0], dict.fromkeys(range(1, len(left)), 0.0)
    while waiting:
        for number in waiting:
            waiting[number] = max(waiting[number], similarity.estimate(number, ordered[-1]))
        ordered.append(min(waiting, key=lambda number: (waiting[number], number)))
        del waiting[ordered[-1]]
    return [left[number] for number in ordered]


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def draw(seed: int, key: tuple[object, ...]) -> float:
    """A number in [0, 1) that depends on the seed and the row's key alone: added rows change no other."""
    digest = hashlib.sha256(repr((seed, *key)).encode()).digest()
    # 48 bits are exact in a float; with more, the highest would round up to 1.
    return int.from_bytes(digest[:6], "big") / 2**48


def held_out(problem_ids: Iterable[str], num: int, seed: int) -> set[str]:
    """`num` problems to set apart, by hash: the same for every stage of a seed, whatever problems are added.

    Of a few problems no more than a tenth, and one: what is set apart teaches nothing.
    """
    ordered = sorted(problem_ids, key=lambda problem_id: draw(seed, ("held out", problem_id)))
    return set(ordered[: min(num, max(1, len(ordered) // 10))])


def conversations(
    candidates: pl.DataFrame, decisions: pl.DataFrame, prompts: pl.DataFrame, render: Callable[[str], Messages]
) -> pl.DataFrame:
    """`SFT` rows of the decisions given, sorted by key.

    Args:
        candidates: columns of `TRACES_IN`.
        decisions: those whose traces are wanted, with their `TOKENS`.
        prompts: `problem_id` and `prompt` of their problems at least. All are rendered, at five times their size.
        render: as in `decide`.
    """
    messages = pl.Series([render(prompt) for prompt in prompts["prompt"]], dtype=SFT["messages"])
    before = prompts.select("problem_id", before=messages)
    block = pl.concat_str(pl.lit("<think>\n"), "reasoning", pl.lit("\n</think>"), "content")
    is_reasoned = pl.col("reasoning").is_not_null() & (pl.col("reasoning") != "")
    answer = pl.struct(role=pl.lit("assistant"), content=pl.when(is_reasoned).then(block).otherwise(pl.col("content")))
    return (
        decisions.select([*SFT_KEY, *TOKENS])
        .join(candidates.select(list(TRACES_IN)), on=SFT_KEY, nulls_equal=True)
        .join(before, on="problem_id")
        .with_columns(messages=pl.concat_list("before", pl.concat_list(answer)))
        .select(list(SFT))
        .sort(SFT_KEY, nulls_last=False)
    )
