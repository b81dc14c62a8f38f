"""Copies: a server that ignores `seed` or `n`, or answers from a cache, gives one text to all samples of a problem.

Copies are not independent: four of them would carry a label. Honest copies exist, of short texts above all, and they
count. So the evidence is one that honest sampling does not give, from the first two samples of each problem that one
endpoint answers. Let q be a bound on the chance that an honest second text repeats the first (`repeat_bound`). The
evidence against the endpoint begins at 1 and is multiplied by 1 - BET + BET / q where the second text is the first, and
by 1 - BET where it is not. Under honest sampling the factor's mean is at most 1, so by Ville's inequality the evidence
ever reaches 1 / CHANCE with a probability of at most CHANCE, however long is looked (betting, as in Shafer, "Testing by
betting", 2021). At temperature 0.8 five problems with texts of 2,000 characters are enough, and 22 with texts of 400.

The bound is an assumption about models, so a suspicion is confirmed before a run is stopped: one prompt is asked for
two samples at `PROBE_TEMPERATURE`, at which even a model that repeats itself does not write the same text twice.
"""

import asyncio
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import openai

from stages.core.sampling.queries import SEED_STEP, SEEDS, Answer, Query, Request
from stages.edge.asking.clients import complete

CHANCE = 1e-6
"""At most with this probability an honest endpoint is suspected in a run."""
BET = 0.75
TOKEN_EVIDENCE = 0.01
"""Nats that one token of a second sample tells at temperature 1: an assumption, far below what was measured. Of the cpu
profile's teacher, at temperature 0.8, 20 % of texts of 22 tokens, 13 % of 55 and 8 % of 72 are repeated by the second
sample: 0.03 to 0.07 nats a token."""
CHARS_PER_TOKEN = 4.0
"""More than mathematics has, so that a text counts as shorter than it is."""
LOWEST_BOUND = 0.04
"""One problem, however long its texts, is not enough: it may have a text that the model knows by heart."""
MOST_LOOKS = 1_000
"""Problems looked at in a run, for each endpoint."""
PROBE_TEMPERATURE, PROBE_TOKENS = 2.0, 64
SHORTEST_PROBE = 80
"""Characters from which two equal texts at `PROBE_TEMPERATURE` confirm a suspicion."""
_PLAIN_SAMPLING = {"top_p": 1.0, "top_k": -1, "min_p": 0.0, "repetition_penalty": 1.0}


def repeat_bound(num_chars: int, temperature: float) -> float:
    """A bound on the chance that an honest second sample repeats a text of so many characters, in [LOWEST_BOUND, 1]."""
    return max(LOWEST_BOUND, math.exp(-TOKEN_EVIDENCE * temperature * num_chars / CHARS_PER_TOKEN))


def is_sampled(fields: Mapping[str, object]) -> bool:
    """Whether these fields ask for samples at all, and not for the most probable text."""
    temperature = fields.get("temperature")
    return isinstance(temperature, int | float) and temperature > 0 and fields.get("top_k") != 1


@dataclass
class _Record:
    """What is known of one endpoint: the logarithm of the evidence, and texts of problems by their hash."""

    evidence: float = 0.0
    num_same: int = 0
    num_looks: int = 0
    first: dict[str, int] = field(default_factory=dict)
    second: set[str] = field(default_factory=set)
    copies: list[str] = field(default_factory=list)
    is_suspected: bool = False
    is_over: bool = False


class CopyWatch:
    """Looks at the answers of a run as they come, endpoint by endpoint."""

    def __init__(self, request: Request) -> None:
        """`request` is what is asked; nothing is looked at where it asks for the most probable text."""
        self._temperature = float(str(request.fields["temperature"])) if is_sampled(request.fields) else 0.0
        self._records: dict[str, _Record] = {}

    def look(self, url: str, query: Query, answer: Answer) -> bool:
        """Take an answer of the endpoint at `url` into account; true where the endpoint is suspected from now on.

        That is said once. Until `clear`, copies are noted all the same.
        """
        record = self._records.setdefault(url, _Record(is_over=not self._temperature))
        if record.is_over:
            return False
        name = f"{query.benchmark}\0{query.problem_id}"
        text = hash((answer.reasoning, answer.content))
        if name not in record.first:
            record.first[name] = text
            return False
        is_copy = record.first[name] == text
        if is_copy:
            record.copies.append(query.key)
        if name in record.second or record.is_suspected:
            return False
        record.second.add(name)
        num_chars = len(answer.reasoning or "") + len(answer.content or "")
        bound = repeat_bound(num_chars, self._temperature)
        record.evidence += math.log(1 - BET + (BET / bound if is_copy else 0.0))
        record.num_same += is_copy
        record.num_looks += 1
        record.is_suspected = record.evidence >= -math.log(CHANCE)
        record.is_over = record.num_looks >= MOST_LOOKS or record.evidence <= math.log(CHANCE)
        return record.is_suspected

    def clear(self, url: str) -> None:
        """Look no more at an endpoint: it has shown that it samples."""
        self._records[url] = _Record(is_over=True)

    def copies(self, url: str) -> list[str]:
        """Keys of the answers of this run that repeat an earlier one to the same problem."""
        return self._records[url].copies

    def reason(self, url: str) -> str:
        """What speaks against an endpoint, for a message."""
        record = self._records[url]
        return (
            f"{url} gave the same text to two samples of {record.num_same} of {record.num_looks} problems, which "
            f"sampling at temperature {self._temperature:g} does with a probability below {CHANCE:g}: it ignores "
            "`seed` or `n`, or answers from a cache"
        )


async def gives_copies(request: Request, queries: Sequence[Query], client: openai.AsyncOpenAI, timeout: float) -> bool:
    """Whether two samples at `PROBE_TEMPERATURE` are the same text, or cannot be had, on an endpoint that is suspected.

    Two queries are asked for at once, by `n`, where `queries` are several; else one after the other, by their seed.
    """
    texts = await probed(request, queries, client, timeout)
    return texts is None or (texts[0] == texts[1] and len(texts[0]) >= SHORTEST_PROBE)


async def probed(
    request: Request, queries: Sequence[Query], client: openai.AsyncOpenAI, timeout: float
) -> tuple[str, str] | None:
    """Two samples at `PROBE_TEMPERATURE` of what the first query asks; None if they cannot be had."""
    plain = {name: value for name, value in _PLAIN_SAMPLING.items() if name in request.fields}
    fields = plain | {"temperature": PROBE_TEMPERATURE, "max_tokens": PROBE_TOKENS}
    body = request.body(queries[:1]) | fields
    bodies = [body | {"n": 2}] if len(queries) > 1 else [body, body | {"seed": (body["seed"] + SEED_STEP) % SEEDS}]
    try:
        async with asyncio.timeout(timeout):
            texts = [text for each in bodies for text in _texts(json.loads(await complete(client, each)))]
    except (TimeoutError, openai.OpenAIError, aiohttp.ClientError, ValueError, RecursionError):
        return None
    return (texts[0], texts[1]) if len(texts) == 2 else None


def _texts(completion: Any) -> list[str]:  # noqa: ANN401
    """Reasoning and content of each choice; none of what is no completion."""
    choices = completion.get("choices") if isinstance(completion, Mapping) else None
    messages = [each.get("message") for each in choices or () if isinstance(each, Mapping)]
    names = ("reasoning", "reasoning_content", "content")
    return ["\0".join(str(each.get(name) or "") for name in names) for each in messages if isinstance(each, Mapping)]
