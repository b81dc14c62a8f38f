"""Where a stage that is made anew finds its models' answers: in the answer store, or on a host without it in the out.

The out has no answers of a first, smaller budget that were cut off and asked again: these need the store.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import polars as pl

from stages.core.sampling.queries import Answer
from stages.core.tables.traces import TRACES
from stages.edge import params, store
from stages.edge.engines import endpoints
from stages.edge.store.segments import File

AT_ONCE = 10_000
PART = "recorded"


def root(name: str, options: dict[str, Path], traces: pl.DataFrame, folder: Path) -> Path:
    """The root of a store that has the answers of `traces`, under the keys that are recorded there.

    It is the store of this host if that has them all; else one is made in `folder`. `name` and `options` are those of
    the stage that wrote the traces.
    """
    if not traces.height:
        return store.root().resolve()
    collections = list(_collections(name, options))
    if _num_held(traces["query_key"], collections) >= traces.height:
        return store.root().resolve()
    for collection in collections:
        (folder / collection).mkdir(parents=True)
        # A key is that of one model, so it does no harm in the collections of others.
        file = File(folder / collection / f"{PART}.0.sqlite", write=True)
        for some in traces.iter_slices(AT_ONCE):
            texts = some.select(name for name in Answer._fields if name in TRACES)  # of a raw turn, what was read out
            answers = (Answer(**row) for row in texts.iter_rows(named=True))
            file.put(zip(map(bytes.fromhex, some["query_key"]), answers, strict=True), PART)
        file.close()
    return folder


def is_asked(schema: Mapping[str, pl.DataType]) -> bool:
    """Whether a table holds what models answered."""
    return dict(schema) == dict(TRACES)


def _num_held(keys: pl.Series, collections: list[str]) -> int:
    """How many of the keys the store has."""
    num = 0
    for collection in collections:
        with store.reading(collection) as answers:
            num += sum(
                len(answers.get(keys[start : start + AT_ONCE].to_list())) for start in range(0, len(keys), AT_ONCE)
            )
    return num


def _collections(name: str, options: dict[str, Path]) -> Iterator[str]:
    """Names of the models of a stage in the store."""
    verb, _, key = name.partition("@")
    if verb == "exam":
        protocol = params.load(params.Protocol, "exam.protocol")
        model, parser = options["model"], protocol.reasoning_parser
        yield endpoints.from_folder("student", key, model, protocol.dtype, None, parser).collection
    elif verb == "teach":
        for teacher in params.load(params.Teacher, "teach").models_of(key):
            yield endpoints.from_settings("teacher", teacher.label, teacher, options["model"]).collection
    else:
        for baseline in params.load(list[params.Baseline], "baselines"):
            yield endpoints.from_settings("baseline", baseline.name, baseline.model, options["base"]).collection
