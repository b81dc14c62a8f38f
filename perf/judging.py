"""Judging and voting against math-verify called once an answer, on a workload shaped like a teacher's.

python perf/judging.py --data ../shared/data           # both, a few minutes
python perf/judging.py --data ../shared/data --whole   # ours on 343K problems x 26 answers, two cores
python perf/judging.py --data ../shared/data --quick

Problems have 32 answers of two to four kinds: 65 in 100 golds are integers, the others come from MATH-500. Right
answers come in another spelling now and then, wrong ones are golds of other problems or the gold changed in one place.
Rates are answers per second and core; the naive way is given its boxed answers, so that it does not pay for looking for
them. Its problems are a sample of ours, for it would take hours for all.
"""

import argparse
import contextlib
import json
import os
import random
import resource
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import polars as pl
import psutil

sys.path.insert(0, str(Path(__file__).parents[1]))

from stages.core import judging, labels, voting
from stages.core.queries import STATUSES
from stages.edge import shards, workers
from stages.edge import tables as edge_tables

SEED = 42
SECONDS, MEMORY_GIB = 5.0, 3.0
NUM_PROBLEMS, ANSWERS_EACH, PROBLEMS_PER_PART = 343_000, 26, 7_000
FILLER = "Let us look at this step by step. We set up the equation, solve it and check what we found. " * 5


def golds(data: Path) -> list[str]:
    """Golds of MATH-500 that are no integers."""
    lines = (data / "bench" / "math500.jsonl").read_text(encoding="utf-8").split("\n")
    found = [str(json.loads(line)["answer"]) for line in lines if line]
    return sorted({gold for gold in found if not gold.lstrip("-").isdigit()})


def spelled(gold: str, draw: random.Random) -> str:
    """Another spelling of the same answer."""
    if gold.isdigit():
        return draw.choice([gold, gold, f"{gold}.0", rf"\text{{{gold}}}", f"x={gold}"])
    return draw.choice([gold, gold, gold.replace(r"\frac", r"\dfrac"), gold.replace(" ", r"\,"), f"{gold}."])


def wrong(gold: str, others: list[str], draw: random.Random) -> str:
    """An answer that is not the gold."""
    if gold.isdigit():
        return str(int(gold) + draw.randrange(1, 50))
    digits = [place for place, char in enumerate(gold) if char.isdigit()]
    if digits and draw.random() < 0.5:
        place = draw.choice(digits)
        return gold[:place] + str((int(gold[place]) + 1) % 10) + gold[place + 1 :]
    return draw.choice([other for other in others if other != gold])


def problems(number: int, num_answers: int, formulas: list[str], seed: int) -> Iterator[tuple[str, list[str]]]:
    """(gold, answers) of each problem."""
    draw = random.Random(seed)
    for _ in range(number):
        gold = str(draw.randrange(1000)) if draw.random() < 0.65 else draw.choice(formulas)
        kinds = [gold, spelled(gold, draw), *(wrong(gold, formulas, draw) for _ in range(draw.randrange(1, 3)))]
        weights = [6, 2, 2, 1][: len(kinds)]
        yield gold, draw.choices(kinds, weights, k=num_answers)


def naive(sample: list[tuple[str, list[str]]]) -> tuple[float, list[bool]]:
    """Answers a second of one core, each parsed and verified by itself, and the verdicts."""
    from math_verify import parse, verify

    started, verdicts = time.perf_counter(), []
    for gold, answers in sample:
        for answer in answers:
            verdicts.append(bool(verify(parse(rf"\boxed{{{gold}}}"), parse(rf"\boxed{{{answer}}}"))))
    return len(verdicts) / (time.perf_counter() - started), verdicts


def tables(sample: list[tuple[str, list[str]]], first: int = 0) -> tuple[pl.DataFrame, pl.DataFrame]:
    """(traces, golds) as the stages read them."""
    rows = [
        (
            "teacher",
            "medium",
            None,
            f"{first + place:08x}",
            index,
            rf"{FILLER} The answer is \boxed{{{answer}}}.",
            "stop",
        )
        for place, (_, answers) in enumerate(sample)
        for index, answer in enumerate(answers)
    ]
    schema = {**judging.TRACES_IN, "status": pl.Enum(STATUSES)}
    golds = [(f"{first + place:08x}", gold, True) for place, (gold, _) in enumerate(sample)]
    return pl.DataFrame(rows, schema=schema, orient="row"), pl.DataFrame(golds, schema=labels.PROBLEMS_IN, orient="row")


def ours(traces: pl.DataFrame, golds: pl.DataFrame, pool: workers.Symbolic) -> list[str]:
    """Judge and vote as the stages do."""
    prepared = judging.prepare(traces, golds.select("problem_id", label="gold"))
    table = judging.verdicts(prepared, pool.decide(judging.undecided(prepared), "accepts"))
    vote(voting.tallies(prepared.select(list(voting.ANSWERS_IN))), golds, pool)
    return table["verdict"].to_list()


def vote(tallied: dict[str, voting.Tally], golds: pl.DataFrame, pool: workers.Symbolic) -> None:
    """Vote as the stage does."""
    same = pool.decide(voting.pairs_to_decide(tallied.values()), "same")
    accepted = pool.decide(labels.gold_pairs_to_decide(tallied, golds), "accepts")
    rule = labels.Rule("reasonlite", min_share=0.9, min_votes=4, credibility=0.95)
    labels.votes(tallied, golds, same=same, accepted=accepted, rule=rule)


class Watch:
    """Samples the resident memory of this process and its children together, twice a second."""

    def __init__(self) -> None:
        """Begin."""
        self._most = 0
        threading.Thread(target=self._look, daemon=True).start()

    def _look(self) -> None:
        while True:
            total = 0
            for process in [psutil.Process(), *psutil.Process().children(recursive=True)]:
                with contextlib.suppress(psutil.Error):
                    total += process.memory_info().rss
            self._most = max(self._most, total)
            time.sleep(0.5)

    def peak_gib(self) -> float:
        """The most so far."""
        return self._most / 2**30


def whole(formulas: list[str]) -> None:
    """Judge and vote 343K problems x 26 answers by the stages' own modules on two cores, and print what it takes."""
    with tempfile.TemporaryDirectory() as folder:
        traces = Path(folder, "traces")
        traces.mkdir()
        golden = []
        for part, first in enumerate(range(0, NUM_PROBLEMS, PROBLEMS_PER_PART)):
            number = min(PROBLEMS_PER_PART, NUM_PROBLEMS - first)
            frame, golds = tables(list(problems(number, ANSWERS_EACH, formulas, SEED + part)), first)
            frame.write_parquet(traces / f"part-{part:04d}.parquet", row_group_size=20_000)
            golden.append(golds)
        size = sum(file.stat().st_size for file in traces.iterdir()) / 2**30
        golds = pl.concat(golden)
        print(f"{NUM_PROBLEMS:,} problems x {ANSWERS_EACH} answers, {size:.1f} GiB of Parquet")
        watch = Watch()
        judged = time.perf_counter()
        with workers.Symbolic(2, SECONDS, MEMORY_GIB) as pool:
            work = partial(judging.prepare, labels=golds.select("problem_id", label="gold"))
            prepared = pl.concat(shards.mapped(traces, judging.TRACES_IN, work, 2, "local"))
            table = judging.verdicts(prepared, pool.decide(judging.undecided(prepared), "accepts"))
            edge_tables.write(table, Path(folder, "verdicts.parquet"), judging.VERDICTS, judging.KEY)
            height = table.height
            del prepared, table
            voted = time.perf_counter()
            work = partial(judging.answers_of, effort=None, models=None)
            answers = pl.concat(shards.mapped(traces, judging.TRACES_IN, work, 2, "local"))
            tallied = voting.tallies(answers)
            vote(tallied, golds, pool)
        done = time.perf_counter()
        print(f"judge  {(voted - judged) / 60:5.1f} min")
        print(f"vote   {(done - voted) / 60:5.1f} min, {pool.num_asked} pairs by algebra")
        gib = watch.peak_gib()
        found = {"answers": height, "minutes": round((done - judged) / 60, 1), "peak_gib": round(gib, 2)}
        print(json.dumps(found))


def peak_gib() -> float:
    """Most memory of this process and of its children."""
    return max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) / 2**20


def main() -> None:
    """Measure both ways and print a table and a JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=os.environ.get("REASONLITE_TEST_DATA", "../shared/data"))
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--whole", action="store_true", help="ours alone, on as many answers as ReasonLite's")
    args = parser.parse_args()
    formulas = golds(args.data)
    if args.whole:
        whole(formulas)
        return
    number, num_naive = (5_000, 200) if args.quick else (20_000, 600)
    work = list(problems(number, 32, formulas, SEED))
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    naive_rate, naive_verdicts = naive(work[:num_naive])
    traces, golden = tables(work)
    started = time.perf_counter()
    with workers.Symbolic(1, SECONDS, MEMORY_GIB) as pool:
        verdicts = ours(traces, golden, pool)
    rate = traces.height / (time.perf_counter() - started)
    same = [(verdict == "correct") == other for verdict, other in zip(verdicts, naive_verdicts, strict=False)]
    print(f"naive  {naive_rate:10.0f} answers/s/core, judged ({len(naive_verdicts):,} answers)")
    print(f"ours   {rate:10.0f} answers/s/core, judged and voted ({traces.height:,} answers)")
    print(f"same verdict on {sum(same):,} of {len(same):,}")
    print(
        json.dumps(
            {
                "speedup_over_naive": round(rate / naive_rate, 1),
                "answers_per_second_per_core": round(rate),
                "peak_gib": round(peak_gib(), 2),
            }
        )
    )


if __name__ == "__main__":
    main()
