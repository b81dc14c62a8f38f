"""What adaptive sampling saves and costs, on real generations: tokens not asked for, labels that change.

python perf/adaptive.py --data DIR            # a minute
python perf/adaptive.py --data DIR --quick    # a fifth of the problems, one rule

Replays 16 answers to each of 45 OTIS Mock AIME problems by two models, and 8 answers to each of 100 MATH problems by a
third, through the rule of stages/core/sampling/adaptive.py. The label of a problem is the answer with the most votes,
right if it is the gold; intervals are over problems, by the same Bayesian bootstrap as the result table's. `by keys`
and `compared` are the samples drawn where answers are one by their keys, as the rule has it, and by comparing them. The
last line is a JSON object: what the rule `SHOWN` saves of each file, its change of accuracy, and both counts.
"""

import argparse
import json
import sys
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from perf import data_folder
from stages.core.answers.keys import canonical
from stages.core.answers.reading import answer_of
from stages.core.equality.relations import accepts_cheaply, same_cheaply
from stages.core.sampling import adaptive
from stages.core.sampling.adaptive import Rule

NUM_RESAMPLES = 10_000
SHOWN = (0.95, 0.5)
"""confidence and hopeless_share of the rule whose figures are in the JSON object."""
EVERY = [(confidence, hopeless) for confidence in (0.9, 0.95) for hopeless in (0.3, 0.5, 0.7)]
MOST = {"gemini-2.0-flash, OTIS x16": 16, "qwen2.5-72b, OTIS x16": 16, "qwen2.5-math, MATH x8": 8}
"""Answers to each problem of a file."""
QUICK_EVERY = 5


class Problem(NamedTuple):
    """A gold, and answers with their lengths in characters, which stand for tokens that the files do not count."""

    gold: str
    contents: list[str | None]
    lengths: list[int]


def otis(folder: Path, name: str) -> list[Problem]:
    """16 answers to each problem."""
    by_problem: dict[str, Problem] = {}
    for row in data_folder.rows(folder, name):
        each = by_problem.setdefault(row["problem_id"], Problem(str(row["answer"]), [], []))
        each.contents.append(row["response"])
        each.lengths.append(len(row["response"] or ""))
    return list(by_problem.values())


def math(folder: Path, name: str) -> list[Problem]:
    """8 answers to each problem."""
    return [
        Problem(str(row["answer"]), row["responses"], [len(text) for text in row["responses"]])
        for row in data_folder.rows(folder, name)
    ]


def generations(folder: Path) -> dict[str, list[Problem]]:
    """The problems of each file."""
    return {
        "gemini-2.0-flash, OTIS x16": otis(folder, "gen/otis_mock_aime/gemini-2.0-flash_x16.jsonl"),
        "qwen2.5-72b, OTIS x16": otis(folder, "gen/otis_mock_aime/qwen2.5-72b-instruct_x16.jsonl"),
        "qwen2.5-math, MATH x8": math(folder, "gen/qwen25math_math100x8.jsonl"),
    }


def is_right(problem: Problem, number: int) -> bool:
    """Whether the answer with the most votes among the first `number` is the gold; a tie goes to the first seen."""
    found = [answer_of(content) for content in problem.contents[:number]]
    votes = Counter(canonical(answer) for answer in found if answer is not None)
    if not votes:
        return False
    leader = max(votes, key=lambda key: votes[key])
    named = next(answer for answer in found if answer is not None and canonical(answer) == leader)
    return accepts_cheaply(problem.gold, named).equal is True


def compared(problem: Problem) -> list[str | None]:
    """The contents with each answer spelled as the first one that is the same, as far as the cheap tiers can tell."""
    spellings: list[str] = []
    found: list[str | None] = []
    for answer in map(answer_of, problem.contents):
        if answer is None:
            found.append(None)
            continue
        spelling = next((one for one in spellings if same_cheaply(one, answer).equal), answer)
        spellings.append(spelling)
        found.append(f"\\boxed{{{spelling}}}")
    return found


def compare(problems: list[Problem], rule: Rule) -> tuple[dict[str, tuple[float, float, float]], Counter[str]]:
    """(value, low, high) of the token share saved and of the change in label accuracy, and why problems stopped."""
    stops: Counter[str] = Counter()
    saved, total, change = [], [], []
    for problem in problems:
        number, why, _ = adaptive.drawn(problem.contents, rule)
        stops[why] += 1
        whole = sum(problem.lengths[: rule.most])
        saved.append(whole - sum(problem.lengths[:number]))
        total.append(whole)
        change.append(is_right(problem, number) - is_right(problem, rule.most))
    weights = np.random.default_rng(0).dirichlet(np.ones(len(problems)), NUM_RESAMPLES)
    share = (weights @ np.array(saved)) / (weights @ np.array(total))
    changes = weights @ np.array(change, dtype=float)
    return {
        "saved": (sum(saved) / sum(total), *np.quantile(share, (0.025, 0.975)).tolist()),
        "accuracy": (float(np.mean(change)), *np.quantile(changes, (0.025, 0.975)).tolist()),
    }, stops


def main() -> None:
    """Print a row for each file and confidence."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--data", type=Path, metavar="DIR", default=data_folder.DEFAULT, help="folder with gen/*.jsonl (%(default)s)"
    )
    parser.add_argument("--quick", action="store_true")
    args = parser.parse_args()
    print("| generations | confidence | hopeless_share | saved, % | label accuracy, points | by keys, compared | why |")
    print("|---|---|---|---|---|---|---|")
    summary = {}
    for name, problems in generations(args.data).items():
        most = MOST[name]
        some = problems[::QUICK_EVERY] if args.quick else problems
        spelled, joined = [each.contents for each in some], [compared(each) for each in some]
        for confidence, hopeless_share in [SHOWN] if args.quick else EVERY:
            rule = Rule(start=4, step=2, most=most, confidence=confidence, hopeless_share=hopeless_share)
            found, stops = compare(some, rule)
            saved, accuracy = (
                f"{100 * value:.1f} [{100 * low:.1f}, {100 * high:.1f}]" for value, low, high in found.values()
            )
            reasons = ", ".join(f"{number} {why}" for why, number in sorted(stops.items()))
            by_keys, by_comparison = (
                sum(adaptive.drawn(each, rule).num_drawn for each in every) for every in (spelled, joined)
            )
            samples = f"{by_keys}, {by_comparison}"
            print(f"| {name} | {confidence} | {hopeless_share} | {saved} | {accuracy} | {samples} | {reasons} |")
            if (confidence, hopeless_share) == SHOWN:
                values = {key: round(value[0], 4) for key, value in found.items()}
                summary[name] = {**values, "by_keys": by_keys, "compared": by_comparison}
    print(json.dumps(summary))


if __name__ == "__main__":
    main()
