"""Collecting at the recipe's size: golds checked, duplicates dropped, exams' questions found by all rules on words.

python perf/problems.py                          # 343K made-up problems against 100 questions
python perf/problems.py --data DIR               # real problems, their numbers changed until there are 343K
python perf/problems.py --quick                  # 2K

It times what `stages.collect` does between the source's rows and its tables, in one process. One problem in fifty is a
copy of another in other typesetting; twenty are questions of the exam with other numbers, which must all be found. The
last line is a JSON object.
"""

import argparse
import json
import random
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import polars as pl

sys.path.insert(0, str(Path(__file__).parents[1]))

from perf import data_folder, measuring
from stages.core.problems import contamination, duplicates, intake, problems
from stages.edge import params

ROWS, QUICK_ROWS, QUESTIONS, CLONES, COPY_EVERY = 343_000, 2_000, 100, 20, 50
SYLLABLES = [first + second for first in "bcdfghjklmnp" for second in "aeiou"]
FILES = ("train/deepscaler_sample5k", "train/math_train", "train/aime_1983_2023", "train/gsm8k_train")


def made_up(draw: random.Random) -> Iterator[str]:
    """Problems of 30 to 120 words with a frequent word now and then, numbers and formulas."""
    words = ["".join(draw.choices(SYLLABLES, k=draw.randint(1, 3))) for _ in range(4_000)]
    weights = [1 / rank for rank in range(1, len(words) + 1)]
    while True:
        text = draw.choices(words, weights, k=draw.randint(30, 120))
        for place in draw.sample(range(len(text)), 6):
            text[place] = draw.choice(
                [str(draw.randint(2, 999)), f"$x^{{{draw.randint(2, 9)}}} + {draw.randint(1, 99)}$"]
            )
        yield f"{' '.join(text).capitalize()}. Find the value of $x$."


def real(data: Path, draw: random.Random) -> Iterator[str]:
    """Public problems, first as they are, then with other numbers."""
    prompts = [str(row["problem"]) for name in FILES for row in data_folder.rows(data, f"{name}.jsonl")]
    yield from prompts
    while True:
        yield changed(draw.choice(prompts), draw)


def changed(prompt: str, draw: random.Random) -> str:
    """The prompt with other numbers."""
    return re.sub(r"\d+", lambda found: str(int(found[0][:9]) + draw.randint(1, 99)), prompt)


def rules() -> tuple[float, params.Decontaminate]:
    """How similar duplicates are, and what finds an exam's question, as the profile gpu has it."""
    collect = measuring.profile("gpu").collect
    similarity, found = collect.deduplicate.min_similarity, collect.decontaminate
    assert similarity is not None and found.masked is not None, "the profile gpu looks for both"
    return similarity, found


def main() -> None:
    """Time it and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--data", type=Path, metavar="DIR", help="folder with train/*.jsonl")
    args = parser.parse_args()
    num_rows = QUICK_ROWS if args.quick else ROWS
    draw = random.Random(42)
    prompts = real(args.data, draw) if args.data else made_up(draw)
    questions = [next(prompts) for _ in range(QUESTIONS)]
    long_ones = sorted(questions, key=len)[-CLONES:]
    texts = [changed(question, draw) for question in long_ones]
    while len(texts) < num_rows:
        texts.append(next(prompts) if len(texts) % COPY_EVERY else texts[-1].replace("$", " $ ").upper())
    exam_rows = problems.problem_rows("exam", ({"prompt": text, "gold": "7"} for text in questions))
    exams = problems.benchmark_rows("exam", None, exam_rows.unique("problem_id"))
    rows = ((f"row {n}", {"problem": text, "answer": str(n % 50)}) for n, text in enumerate(texts))

    min_similarity, found_by = rules()
    spent = {}
    started = time.perf_counter()
    taken = intake.take("made", rows, intake.Columns("problem", "answer"), {})
    spent["normalise, check golds"] = time.perf_counter() - started
    unique, dropped = duplicates.drop(taken.problems, min_similarity)
    spent["drop duplicates"] = time.perf_counter() - started
    evidence = contamination.evidence(unique, exams, found_by)
    spent["find the exam's questions"] = seconds = time.perf_counter() - started
    before = 0.0
    print(f"{num_rows:,} problems, {exams.height} questions")
    for name, at in spent.items():
        print(f"  {name:<26} {at - before:6.1f} s")
        before = at
    print(f"  duplicates {dict(dropped['rule'].value_counts(sort=True).iter_rows())}")
    print(f"  evidence   {dict(evidence['rule'].value_counts(sort=True).iter_rows())}")
    clones = evidence.filter(pl.col("rule") == "masked")["benchmark_prompt"].n_unique()
    if clones < CLONES:
        sys.exit(f"only {clones} of {CLONES} clones were found")
    print(json.dumps({"seconds": round(seconds, 1), "peak_gib": round(measuring.peak_gib(), 2), "rows": num_rows}))


if __name__ == "__main__":
    main()
