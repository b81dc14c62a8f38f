"""Judging and voting against math-verify called once an answer, on a workload shaped like a teacher's.

python perf/judging.py --data DIR            # both, and the graders side by side; a quarter of an hour
python perf/judging.py --graders             # ours, math-verify and sympy on the labelled pairs of tests/data
python perf/judging.py --data DIR --whole    # ours on 343K problems x 26 answers, two cores
python perf/judging.py --data DIR --quick

Problems have 32 answers of two to four kinds: 65 in 100 golds are integers, the others come from MATH-500. Right
answers come in another spelling now and then, wrong ones are golds of other problems or the gold changed in one place.
Rates are answers per second and core; the naive way is given its boxed answers, so that it does not pay for looking for
them. Its problems are a sample of ours, for it would take hours for all.

The graders side by side judge the labelled pairs one by one, each in one process with the same limits of time and
memory: what they decide as labelled, what they join falsely and what they miss.
"""

import argparse
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import polars as pl

sys.path.insert(0, str(Path(__file__).parents[1]))

from perf import data_folder, graders, measuring, scale
from stages.core.answers import table as answer_table
from stages.core.formats import pairs as labelled_pairs
from stages.core.formats.pairs import Agreement, Pair
from stages.core.labelling import judging, labels, voting
from stages.core.problems import problems as core_problems
from stages.core.tables.problems import PROBLEMS, PROBLEMS_KEY
from stages.core.tables.traces import TRACES, TRACES_KEY
from stages.edge.files import tables as edge_tables
from stages.edge.judge import Judge
from stages.edge.workers import algebra

PAIRS = measuring.ROOT / "tests/data/equivalence"
QUICK_PAIRS = 8
"""Of each file, with --quick."""
SEED = 42
PROFILE = "reasonlite"
NUM_PROBLEMS, ANSWERS_EACH, PROBLEMS_PER_PART = 343_000, 26, 7_000
FILLER = "Let us look at this step by step. We set up the equation, solve it and check what we found. " * 5


def golds(data: Path) -> list[str]:
    """Golds of MATH-500 that are no integers."""
    found = [str(row["answer"]) for row in data_folder.rows(data, "bench/math500.jsonl")]
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
    schema = answer_table.TRACES_IN
    golds = [(f"{first + place:08x}", gold, True) for place, (gold, _) in enumerate(sample)]
    return pl.DataFrame(rows, schema=schema, orient="row"), pl.DataFrame(golds, schema=labels.PROBLEMS_IN, orient="row")


def ours(traces: pl.DataFrame, golds: pl.DataFrame, pool: algebra.Symbolic) -> list[str]:
    """Judge and vote as the stages do."""
    answers = answer_table.read_answers(traces)
    prepared = judging.prepare(answers, golds.select("problem_id", label="gold"))
    table = judging.verdicts(prepared, pool.decide(judging.undecided(prepared), "accepts"))
    tallied = voting.tallies(voting.counted(answers, None))
    same = pool.decide(voting.pairs_to_decide(tallied.values()), "same")
    accepted = pool.decide(labels.gold_pairs_to_decide(tallied, golds), "accepts")
    labels.votes(tallied, golds, same=same, accepted=accepted, rule=measuring.profile(PROFILE).vote)
    return table["verdict"].to_list()


def labelled(number: int | None) -> list[Pair]:
    """Labelled pairs of tests/data, `number` of each file evenly; those with a note are a matter of policy."""
    found: list[Pair] = []
    for name in ("cases", "reports"):
        rows = [row for row in data_folder.rows(PAIRS, f"{name}.jsonl") if not row.get("note")]
        found += map(labelled_pairs.read, rows[:: max(1, len(rows) // (number or len(rows)))])
    return found


def side_by_side(pairs: list[Pair]) -> dict[str, dict[str, float]]:
    """Print a table of what each grader makes of the pairs, and return its figures."""
    limits = measuring.profile(PROFILE).symbolic
    texts = [(pair.gold, pair.prediction) for pair in pairs]
    with Judge(algebra.Symbolic(1, limits.seconds, limits.memory_gib)) as judge:
        judge.accepts([(r"\int x dx", r"\frac{x^2}{2}")])  # starts its process, as the others' are started
        started = time.perf_counter()
        equal = [verdict.equal for verdict in judge.accepts(texts)]
        found = {"ours": graders.Graded(equal, time.perf_counter() - started)}
    for name, grader in (("math-verify", graders.math_verify), ("sympy", graders.sympy)):
        found[name] = graders.graded(grader, texts, limits.seconds, limits.memory_gib)
    figures = {}
    print(f"| {len(pairs):,} labelled pairs | accuracy, % | false equal | missed | undecided | pairs a second |")
    print("|---|---|---|---|---|---|")
    for name, each in found.items():
        agreement = Agreement()
        for pair, verdict in zip(pairs, each.equal, strict=True):
            agreement.add(pair, verdict)
        rate = len(pairs) / each.seconds
        counts = f"{agreement.num_false_equal} | {agreement.num_missed} | {agreement.num_undecided}"
        print(f"| {name} | {100 * agreement.accuracy:.1f} | {counts} | {rate:.1f} |", flush=True)
        figures[name] = {
            "accuracy": round(agreement.accuracy, 4),
            "false_equal": agreement.num_false_equal,
            "missed": agreement.num_missed,
            "pairs_per_second": round(rate, 1),
        }
    return figures


def whole(formulas: list[str]) -> None:
    """Vote and judge 343K problems x 26 answers by the stages themselves on two cores, and print what it takes."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        scale.settings(folder, num_samples=1)
        (folder / "metrics").mkdir()
        given: list[str] = []

        def parts() -> Iterator[pl.DataFrame]:
            for part, first in enumerate(range(0, NUM_PROBLEMS, PROBLEMS_PER_PART)):
                number = min(PROBLEMS_PER_PART, NUM_PROBLEMS - first)
                frame, golds = tables(list(problems(number, ANSWERS_EACH, formulas, SEED + part)), first)
                given.extend(golds["gold"])
                yield frame.select(
                    *(
                        pl.col(key) if key in frame.columns else pl.lit(None, kind).alias(key)
                        for key, kind in TRACES.items()
                    )
                )

        num = edge_tables.write_sorted(parts(), folder / "data/traces/medium", TRACES, TRACES_KEY)
        rows = ({"prompt": f"Problem {number}?", "gold": gold} for number, gold in enumerate(given))
        ids = pl.Series([f"{number:08x}" for number in range(len(given))])
        made = core_problems.problem_rows("made", rows).with_columns(problem_id=ids)
        edge_tables.write(made, folder / "data/problems.parquet", PROBLEMS, PROBLEMS_KEY)
        found = {verb: scale.measured(folder, scale.VERBS[verb]) for verb in ("read", "vote", "judge")}
    print(f"{NUM_PROBLEMS:,} problems x {ANSWERS_EACH} answers")
    for verb, each in found.items():
        print(f"{verb:<6} {each['minutes']:5.2f} min {each['peak_gib']:.2f} GiB")
    minutes = round(sum(each["minutes"] for each in found.values()), 1)
    print(
        json.dumps({"answers": num, "minutes": minutes, "peak_gib": max(each["peak_gib"] for each in found.values())})
    )


def main() -> None:
    """Measure both ways and print a table and a JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--data", type=Path, metavar="DIR", default=data_folder.DEFAULT, help="with bench/math500.jsonl (%(default)s)"
    )
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--whole", action="store_true", help="ours alone, on as many answers as ReasonLite's")
    parser.add_argument("--graders", action="store_true", help="the graders side by side alone")
    args = parser.parse_args()
    if args.graders:
        print(json.dumps({"graders": side_by_side(labelled(QUICK_PAIRS if args.quick else None))}))
        return
    formulas = golds(args.data)
    if args.whole:
        whole(formulas)
        return
    number, num_naive = (1_000, 40) if args.quick else (20_000, 600)
    work = list(problems(number, 32, formulas, SEED))
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    naive_rate, naive_verdicts = naive(work[:num_naive])
    traces, golden = tables(work)
    started = time.perf_counter()
    limits = measuring.profile(PROFILE).symbolic
    with algebra.Symbolic(1, limits.seconds, limits.memory_gib) as pool:
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
                "peak_gib": round(measuring.peak_gib(), 2),
                "graders": side_by_side(labelled(QUICK_PAIRS if args.quick else None)),
            }
        )
    )


if __name__ == "__main__":
    main()
