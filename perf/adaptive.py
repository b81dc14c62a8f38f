"""What adaptive sampling saves and costs, on real generations: tokens not asked for, labels that change.

python perf/adaptive.py --data DIR            # a minute
python perf/adaptive.py --data DIR --quick    # a fifth of the problems, one rule

Replays 16 answers to each of 45 OTIS Mock AIME problems by two models, and 8 answers to each of 100 MATH problems by a
third, through the rule of stages/core/sampling/adaptive.py. The label of a problem is the answer with the most votes,
right if it is the gold; intervals are over problems, by the same Bayesian bootstrap as the result table's. `by keys`
and `compared` are the samples drawn where answers are one by their keys, as the rule has it, and by comparing them.

A second table replays `until_right`, which stops at so many right answers: the tokens that it saves of all, and the
rows to learn from that are left, at most `until_right` of each problem, as curation takes them with such a
`max_per_problem`. Beside it the same rule without `until_right`. The last line is a JSON object: what the rule `SHOWN`
saves of each file, its change of accuracy, and both counts; and the same of `until_right` 4.
"""

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
from stages.core.sampling import adaptive, grading
from stages.core.sampling.adaptive import Rule

NUM_RESAMPLES = 10_000
SHOWN = (0.95, 0.5)
"""confidence and hopeless_share of the rule whose figures are in the JSON object."""
EVERY = [(confidence, hopeless) for confidence in (0.9, 0.95) for hopeless in (0.3, 0.5, 0.7)]
MOST = {"gemini-2.0-flash, OTIS x16": 16, "qwen2.5-72b, OTIS x16": 16, "qwen2.5-math, MATH x8": 8}
"""Answers to each problem of a file."""
QUICK_EVERY = 5
UNTIL_RIGHT = (1, 2, 4, 8)
SHOWN_RIGHT = 4


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


class Kept(NamedTuple):
    """What a rule draws and leaves: the share of all tokens saved, samples, right rows of at most so many a problem,
    those of all samples, and problems with one."""

    saved: float
    samples: int
    rows: int
    rows_of_all: int
    problems: int
    problems_of_all: int


def kept(problems: list[Problem], rule: Rule, most_rows: int, by_gold: bool) -> Kept:
    """Of problems with golds; `by_gold`: the rule may look at them."""
    saved = total = samples = 0
    rows, rows_of_all = [], []
    for problem in problems:
        number = adaptive.drawn(problem.contents, rule, problem.gold if by_gold else None).num_drawn
        right = [grading.is_right(problem.gold, answer_of(content)) for content in problem.contents[: rule.most]]
        whole = sum(problem.lengths[: rule.most])
        saved, total, samples = saved + whole - sum(problem.lengths[:number]), total + whole, samples + number
        rows.append(min(most_rows, sum(right[:number])))
        rows_of_all.append(min(most_rows, sum(right)))
    counts = sum(rows), sum(rows_of_all), sum(map(bool, rows)), sum(map(bool, rows_of_all))
    return Kept(saved / total, samples, *counts)


def show_until_right(files: dict[str, tuple[list[Problem], int]]) -> dict[str, dict[str, float]]:
    """Print a row for each file and number; return the figures of `SHOWN_RIGHT`."""
    heads = ("generations", "until_right", "saved, %", "rows of all", "problems with a row", "votes alone: saved, rows")
    print(f"\n| {' | '.join(heads)} |")
    print("|---|---|---|---|---|---|")
    shown = {}
    for name, (problems, most) in files.items():
        for until_right in UNTIL_RIGHT:
            rule = Rule(4, 2, most, *SHOWN)
            votes = kept(problems, rule, until_right, by_gold=False)
            each = kept(problems, rule._replace(until_right=until_right), until_right, by_gold=True)
            cells = [
                *(name, str(until_right), f"{100 * each.saved:.1f}", f"{each.rows} of {each.rows_of_all}"),
                *(f"{each.problems} of {each.problems_of_all}", f"{100 * votes.saved:.1f}, {votes.rows}"),
            ]
            print(f"| {' | '.join(cells)} |")
            if until_right == SHOWN_RIGHT:
                shown[name] = {
                    "saved_until_right": round(each.saved, 4),
                    "rows": each.rows,
                    "rows_of_all": each.rows_of_all,
                }
    return shown


def main() -> None:
    """Print a row for each file and confidence."""
    args = data_folder.arguments(__doc__)
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
    every = generations(args.data)
    some_files = {name: (each[::QUICK_EVERY] if args.quick else each, MOST[name]) for name, each in every.items()}
    right = show_until_right(some_files)
    print(json.dumps({name: {**figures, **right[name]} for name, figures in summary.items()}))


if __name__ == "__main__":
    main()
