"""What a run will take: tokens, device hours, disk and wall time, from settings and what is known before.

A `Figure` carries with its number how it is known, and from where, through every product and sum, so that a plan can
show for each number whether it was measured, taken from elsewhere, or is only a bound. What depends on an unknown
number is unknown too, and names the assumption that is missing.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

SECONDS_PER_HOUR = 3600


class Basis(StrEnum):
    """How a figure is known, the best first; a figure that depends on several has the weakest of their bases."""

    SETTING = "setting"
    """It follows from params.yaml."""
    MEASURED = "measured"
    """It was counted in what this profile's run left."""
    ASSUMED = "assumed"
    """The user assumed it."""
    PRIOR = "prior"
    """It is published, or was measured elsewhere."""
    BOUND = "bound"
    """It is at most this."""
    UNKNOWN = "unknown"


ORDER = list(Basis)


class Source(NamedTuple):
    """What a number is, and where it comes from."""

    key: str
    value: float
    text: str


class Figure(NamedTuple):
    """A number, how it is known, its sources, and the missing assumptions (`--assume KEY=`) where it is unknown."""

    value: float | None
    basis: Basis = Basis.SETTING
    sources: tuple[Source, ...] = ()
    missing: tuple[str, ...] = ()

    @property
    def is_known(self) -> bool:
        """Whether there is a number."""
        return self.value is not None


def unknown(*missing: str) -> Figure:
    """An unknown figure that needs the assumptions `missing`."""
    return Figure(None, Basis.UNKNOWN, (), missing)


def product(*factors: Figure) -> Figure:
    """All factors multiplied. One that is known to be zero makes the rest irrelevant."""
    if any(each.value == 0 for each in factors):
        return Figure(0)
    values = [each.value for each in factors if each.value is not None]
    return _joined(factors, math.prod(values) if len(values) == len(factors) else None)


def quotient(amount: Figure, rate: Figure) -> Figure:
    """`amount` over `rate`; zero of anything takes nothing."""
    if amount.value == 0:
        return Figure(0)
    known = amount.value is not None and rate.value is not None
    return _joined((amount, rate), (amount.value or 0) / (rate.value or 1) if known else None)


def total(parts: Iterable[Figure]) -> Figure:
    """The sum; not known where one part is not."""
    figures = list(parts)
    values = [each.value for each in figures if each.value is not None]
    return _joined([each for each in figures if each.value != 0], sum(values) if len(values) == len(figures) else None)


def capped(figure: Figure, most: float) -> Figure:
    """`figure`, but at most `most`; where it is not known, `most` as a bound."""
    if figure.value is None:
        return Figure(most, Basis.BOUND, figure.sources, figure.missing)
    return figure if figure.value <= most else figure._replace(value=most)


def rounded_up(figure: Figure) -> Figure:
    """The next whole number."""
    return figure if figure.value is None else figure._replace(value=math.ceil(figure.value - 1e-9))


def _joined(parts: Sequence[Figure], value: float | None) -> Figure:
    basis = max((each.basis for each in parts), key=ORDER.index, default=Basis.SETTING)
    if value is None:
        basis = Basis.UNKNOWN
    sources = dict.fromkeys(source for each in parts for source in each.sources)
    missing = dict.fromkeys(key for each in parts for key in each.missing)
    return Figure(value, basis, tuple(sources), tuple(missing))


class Speed(NamedTuple):
    """Tokens a second of one device, and whether that is a GPU."""

    rate: Figure
    is_gpu: bool


class Queries(NamedTuple):
    """Problems that one model is asked, all with the same settings."""

    problems: Figure
    samples: Figure
    """Of each problem."""
    prompt: Figure
    """Mean tokens of a prompt."""
    written: Figure
    """Mean tokens of an answer."""
    speed: Speed
    num_stored: int
    """Answers that need not be asked for any more."""


class Work(NamedTuple):
    """What a stage does and takes; None where that does not apply to it."""

    problems: Figure | None = None
    samples: Figure | None = None
    """Answers that are asked for or read, or rows that are trained on."""
    prompt_tokens: Figure | None = None
    tokens: Figure | None = None
    """Tokens that are still to be written, or of rows, or trained on (each epoch counts)."""
    all_tokens: Figure | None = None
    """Tokens of all answers, those that are stored already among them."""
    steps: Figure | None = None
    """Optimiser steps."""
    gpu_hours: Figure | None = None
    machine_hours: Figure | None = None
    """Hours in which the machine's processors are at work."""
    outs_bytes: Figure | None = None
    other_bytes: Figure | None = None
    """Beside the outs: the answer store, or checkpoints while training."""


def asking(queries: Sequence[Queries], bytes_per_token: Figure) -> Work:
    """Work of sampling answers. Prompts are not timed: a model reads them much faster than it writes answers."""
    answers = [product(each.problems, each.samples) for each in queries]
    left = [_less(answer, each.num_stored) for answer, each in zip(answers, queries, strict=True)]
    tokens = [product(number, each.written) for number, each in zip(left, queries, strict=True)]
    taken = [(hours(amount, each.speed.rate), each.speed.is_gpu) for amount, each in zip(tokens, queries, strict=True)]
    all_tokens = total(product(number, each.written) for number, each in zip(answers, queries, strict=True))
    return Work(
        problems=queries[0].problems if queries else Figure(0),
        samples=total(answers),
        prompt_tokens=total(product(number, each.prompt) for number, each in zip(left, queries, strict=True)),
        tokens=total(tokens),
        all_tokens=all_tokens,
        gpu_hours=total(each for each, is_gpu in taken if is_gpu),
        machine_hours=total(each for each, is_gpu in taken if not is_gpu),
        outs_bytes=product(all_tokens, bytes_per_token),
        other_bytes=product(all_tokens, bytes_per_token),
    )


def _less(answers: Figure, num_stored: int) -> Figure:
    if answers.value is None or not num_stored:
        return answers
    return answers._replace(value=max(answers.value - num_stored, 0))


def hours(amount: Figure, rate: Figure) -> Figure:
    """Hours that `amount` takes at `rate` a second.

    Of a bound on the amount they are an estimate and no bound: the rate is one, and starts are not in it.
    """
    figure = quotient(quotient(amount, rate), Figure(SECONDS_PER_HOUR))
    return figure._replace(basis=Basis.PRIOR) if figure.basis == Basis.BOUND and figure.value else figure


def rows(
    answers: Mapping[str, Figure], kept: Mapping[str, Figure], weights: Mapping[str, float], most: Figure
) -> Figure:
    """Rows to train on: of each effort the kept share of its answers, `most` at most, by its weight in the mixture."""
    largest = max(weights.values())
    return total(
        product(_smaller(product(answers[effort], capped(kept[effort], 1)), most), Figure(weight / largest))
        for effort, weight in weights.items()
    )


def _smaller(figure: Figure, most: Figure) -> Figure:
    """`figure`, `most` at most; where it is not known, `most` as a bound."""
    if most.value is None or (figure.value is not None and figure.value <= most.value):
        return figure
    known = figure if figure.is_known else figure._replace(basis=Basis.BOUND)
    return _joined((known, most), most.value)


class Checkpoints(NamedTuple):
    """What training keeps on the disk beside its outs, as it checks before it starts."""

    bytes_per_token: int
    bytes_per_weight: int
    copies_of_weights: int
    """Weights and their two moments in all checkpoints together, and weights that may be kept."""


def training(
    rows: Figure,
    row_tokens: Figure,
    epochs: int,
    batch_size: int,
    speed: Speed,
    parameters: Figure,
    weight_bytes: int,
    scratch: Checkpoints,
) -> Work:
    """SFT on `rows` of `row_tokens` tokens each, `batch_size` rows a step; a weight takes `weight_bytes` in the out."""
    tokens = product(rows, row_tokens, Figure(epochs))
    taken = hours(tokens, speed.rate)
    weights = product(parameters, Figure(scratch.bytes_per_weight * scratch.copies_of_weights))
    return Work(
        samples=rows,
        tokens=tokens,
        steps=product(rounded_up(quotient(rows, Figure(batch_size))), Figure(epochs)),
        gpu_hours=taken if speed.is_gpu else Figure(0),
        machine_hours=Figure(0) if speed.is_gpu else taken,
        outs_bytes=product(parameters, Figure(weight_bytes)),
        other_bytes=total([weights, product(rows, row_tokens, Figure(scratch.bytes_per_token))]),
    )


def wall_hours(work: Work, num_gpus: int) -> Figure:
    """Hours from start to end of a stage on so many GPUs, all of them at work."""
    return total([quotient(work.gpu_hours or Figure(0), Figure(num_gpus)), work.machine_hours or Figure(0)])


def cost(work: Work, price: float | None) -> Figure | None:
    """What the GPU hours of a stage cost; None without a price, or where no GPU is needed."""
    return None if price is None or work.gpu_hours is None else product(work.gpu_hours, Figure(price))


def differences(one: object, other: object, key: str = "") -> dict[str, tuple[object, object]]:
    """What differs between nested settings, by dotted key; None is missing. Lists of as many items are compared item
    by item, others as a whole."""
    if isinstance(one, Mapping) and isinstance(other, Mapping) and one and other:
        pairs = [(name, one.get(name), other.get(name)) for name in dict.fromkeys([*one, *other])]
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        pairs = [(str(place), *pair) for place, pair in enumerate(zip(one, other, strict=True))]
    else:
        return {} if one == other else {key: (one, other)}
    differing: dict[str, tuple[object, object]] = {}
    for name, left, right in pairs:
        differing |= differences(left, right, f"{key}.{name}" if key else name)
    return differing
