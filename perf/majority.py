"""What the definition of maj@k changes, on real generations: by ours, by the one before, and by spelling.

python perf/majority.py --data DIR            # two minutes
python perf/majority.py --data DIR --quick    # a fifth of the problems

Reads the files of perf/adaptive.py. `classes` are made by one relation for right and wrong answers, as `mark` makes
them. `judge` is the former definition: right answers are one class by the judge, wrong ones are as many as have
different keys. `spelling` counts answers by their text and takes the first of tied ones, as lm-evaluation-harness and
lighteval do; all three read the same answers and have the same judge. The last line is a JSON object: the three
figures of each file in percent.
"""

import json
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Literal

import polars as pl

sys.path.insert(0, str(Path(__file__).parents[1]))

from perf import adaptive, data_folder
from stages.core.answers import table
from stages.core.labelling import answer_classes, judging
from stages.core.scoring import scoring
from stages.edge.workers import algebra

NAME, QUICK_EVERY = "generations", 5
SECONDS, MEMORY_GIB, NUM_WORKERS = 5.0, 4.0, 2


def tables(problems: Sequence[adaptive.Problem]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The traces and the labels of an exam of these problems; an answer that did not come is a failed one."""
    rows = [
        (NAME, None, NAME, f"p{place}", sample, content, "stop" if content else "failed", None, False)
        for place, problem in enumerate(problems)
        for sample, content in enumerate(problem.contents)
    ]
    schema = {**table.TRACES_IN, "completion_tokens": pl.Int32(), "looping": pl.Boolean()}
    labels = [(NAME, f"p{place}", problem.gold) for place, problem in enumerate(problems)]
    names = {"benchmark": pl.String(), "problem_id": pl.String(), "label": pl.String()}
    return pl.DataFrame(rows, schema=schema, orient="row"), pl.DataFrame(labels, schema=names, orient="row")


def marked(traces: pl.DataFrame, labels: pl.DataFrame, pool: algebra.Symbolic) -> tuple[pl.DataFrame, pl.DataFrame]:
    """`EXAM_VERDICTS` of these traces, and the key of each answer."""
    prepared = judging.prepare(table.read_answers(traces.select(list(table.TRACES_IN))), labels)
    outcomes = {pair: str(each) for pair, each in pool.decide(judging.undecided(prepared), "accepts").items()}
    classes = answer_classes.classes([prepared], partial(pool.decide, relation="same"))
    return judging.exam_verdicts(prepared, outcomes, classes=classes), prepared.select("answer_key")


def majority(samples: Iterable[tuple[str | None, bool]], ties: Literal["share", "first"]) -> float:
    """maj@k of one problem from (class, right) of each sample; `ties`: the share of right ones, or the first."""
    votes: Counter[str] = Counter()
    is_right: dict[str, bool] = {}
    for name, right in samples:
        if name is not None:
            votes[name] += 1
            is_right.setdefault(name, right)
    if not votes:
        return 0.0
    top = [is_right[name] for name, number in votes.items() if number == max(votes.values())]
    return fmean(top) if ties == "share" else float(top[0])


def figures(traces: pl.DataFrame, verdicts: pl.DataFrame, keys: pl.DataFrame) -> dict[str, float]:
    """maj@k over the problems, in percent, by each definition."""
    scores = scoring.scores(verdicts, traces.select(list(scoring.TRACES_IN)))
    found: dict[str, list[float]] = {"judge": [], "spelling": []}
    rows = verdicts.with_columns(keys, right=pl.col("verdict") == "correct").filter(pl.col("verdict") != "unscored")
    for _, part in rows.group_by("problem_id", maintain_order=True):
        samples = list(part.select("answer", "answer_key", "right").iter_rows())
        by_judge = [("right" if right else key and f"={key}", right) for _, key, right in samples]
        found["judge"].append(majority(by_judge, "share"))
        found["spelling"].append(majority([(answer, right) for answer, _, right in samples], "first"))
    own = scores["majority_correct"].drop_nulls().to_list()
    return {name: round(100 * fmean(values), 2) for name, values in {"classes": own, **found}.items()}


def main() -> None:
    """Print a row for each file."""
    args = data_folder.arguments(__doc__)
    print("| generations | maj@k by classes | by the judge, before | by spelling | problems that change |")
    print("|---|---|---|---|---|")
    summary = {}
    with algebra.Symbolic(NUM_WORKERS, SECONDS, MEMORY_GIB) as pool:
        for name, problems in adaptive.generations(args.data).items():
            traces, labels = tables(problems[::QUICK_EVERY] if args.quick else problems)
            verdicts, keys = marked(traces, labels, pool)
            each = figures(traces, verdicts, keys)
            changed = sum(_changes(part) for _, part in _by_problem(traces, verdicts, keys))
            print(f"| {name} | {each['classes']} | {each['judge']} | {each['spelling']} | {changed} |")
            summary[name] = each
    print(json.dumps(summary))


def _by_problem(
    traces: pl.DataFrame, verdicts: pl.DataFrame, keys: pl.DataFrame
) -> Iterable[tuple[object, tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]]]:
    numbered = traces.with_row_index("row")
    for name, part in numbered.group_by("problem_id", maintain_order=True):
        rows = part["row"].to_list()
        yield name, (traces[rows], verdicts[rows], keys[rows])


def _changes(part: tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]) -> bool:
    if (part[1]["verdict"] == "unscored").all():
        return False
    each = figures(*part)
    return each["classes"] != each["judge"]


if __name__ == "__main__":
    main()
