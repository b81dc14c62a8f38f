"""A run of the recipe's full size through the verbs that read every trace: read, vote, judge, curate, report.

python perf/scale.py            # 343,000 problems with 26 traces of 200 characters each, and a tenth of that
python perf/scale.py --quick    # 40 problems

Each verb is a process of its own, as DVC starts it, on tables that another process wrote; its memory is that of all its
processes together, looked at ten times a second. Of 26 answers about 17 are right. The exams are those of fifteen
students on three benchmarks of thirty problems, 64 samples each (5 with --quick). The last line is a JSON object.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import polars as pl
import yaml

sys.path.insert(0, str(Path(__file__).parents[1]))

from perf import measuring
from perf.curation import WORDS, student
from stages.core.problems import problems
from stages.core.tables.benchmarks import BENCHMARKS, BENCHMARKS_KEY
from stages.core.tables.problems import PROBLEMS, PROBLEMS_KEY
from stages.core.tables.traces import TRACES, TRACES_KEY
from stages.edge.files import tables

NUM_PROBLEMS, QUICK, EACH, CHARS = 343_000, 40, 26, 200
PROBLEMS_AT_ONCE = 5_000
STUDENTS, EXAMS, QUESTIONS, SAMPLES = 15, 3, 30, 64
GOLD = "1"


def thought(draw: random.Random) -> str:
    """About `CHARS` characters that no two traces share."""
    return " ".join(draw.choice(WORDS) + str(draw.randrange(1000)) for _ in range(CHARS // 8))


def traces(ids: list[str], draw: random.Random) -> pl.DataFrame:
    """The traces of some problems at one effort, in the order of their key."""
    rows = [
        {
            "model": "teacher", "effort": "medium", "problem_id": name, "sample": sample, "query_key": "k",
            "reasoning": thought(draw),
            "content": f"So \\boxed{{{GOLD if draw.random() < 0.65 else draw.randint(2, 9)}}}",
            "status": "stop" if draw.random() < 0.97 else "length", "prompt_tokens": 50, "completion_tokens": 60,
            "stopped": "fixed",
        }
        for name in ids
        for sample in range(EACH)
    ]  # fmt: skip
    return pl.DataFrame(rows, schema=TRACES)


def write(folder: Path, num_problems: int, num_samples: int) -> None:
    """What `teach`, `collect`, `base`, `exam` and `mark` leave."""
    draw = random.Random(42)
    ids = [f"{number:016x}" for number in range(num_problems)]
    made = problems.problem_rows(
        "made", ({"prompt": f"Problem {number}: {thought(draw)}?", "gold": GOLD} for number in range(num_problems))
    ).with_columns(problem_id=pl.Series(ids))
    tables.write(made, folder / "data/problems.parquet", PROBLEMS, PROBLEMS_KEY)
    parts = (traces(ids[at : at + PROBLEMS_AT_ONCE], draw) for at in range(0, num_problems, PROBLEMS_AT_ONCE))
    tables.write_sorted(parts, folder / "data/traces/medium", TRACES, TRACES_KEY)
    student(folder / "models/base")
    questions = [
        problems.benchmark_rows(
            f"exam{number}",
            None,
            problems.problem_rows(
                "made", [{"prompt": f"Question {number} {n}?", "gold": GOLD} for n in range(QUESTIONS)]
            ),
        )
        for number in range(EXAMS)
    ]
    exams = pl.concat(questions)
    tables.write(exams, folder / "data/benchmarks.parquet", BENCHMARKS, BENCHMARKS_KEY)
    rows = [
        {
            "model": name, "benchmark": row["benchmark"], "problem_id": row["problem_id"], "sample": sample,
            "query_key": "k", "content": f"{thought(draw)} \\boxed{{{draw.randint(1, 3)}}}", "status": "stop",
            "prompt_tokens": 50, "completion_tokens": draw.randint(40, 90),
        }
        for name in ["base", "turbo", "final", *(f"other{number:02}" for number in range(STUDENTS - 3))]
        for row in exams.sort("benchmark", "problem_id").iter_rows(named=True)
        for sample in range(num_samples)
    ]  # fmt: skip
    table = pl.DataFrame(rows, schema=TRACES)
    tables.write(table, folder / "data/exams/final", TRACES, TRACES_KEY)


def settings(folder: Path, num_samples: int) -> None:
    """The cpu profile with the recipe's filters."""
    document: dict[str, Any] = yaml.safe_load((measuring.ROOT / "params.yaml").read_text())
    profile = document["profiles"]["cpu"]
    profile["curate"]["turbo"]["filters"] = document["profiles"]["reasonlite"]["curate"]["turbo"]["filters"]
    profile["curate"]["turbo"]["max_per_problem"] = 16
    profile["train"]["turbo"]["max_length"] = document["profiles"]["reasonlite"]["train"]["turbo"]["max_length"]
    profile["exam"]["protocol"].update(num_samples=num_samples, pass_k=min(8, num_samples))
    profile["runtime"]["num_workers"] = 2
    (folder / "params.yaml").write_text(yaml.safe_dump(document))


VERBS = {
    "read": "read --traces data/traces/medium --output data/answers/medium.parquet",
    "vote": "vote --problems data/problems.parquet --answers data/answers/medium.parquet "
    "--output data/votes/medium.parquet --changed data/changed.parquet "
    "--metrics metrics/vote.json --plot metrics/vote.csv",
    "judge": "judge --answers data/answers/medium.parquet --votes data/votes/medium.parquet "
    "--output data/verdicts/medium.parquet --metrics metrics/judge.json",
    "curate": "curate --stage turbo --problems data/problems.parquet --traces data/traces/medium "
    "--verdicts data/verdicts/medium.parquet --votes data/votes/medium.parquet --student models/base "
    "--sft data/sft --held-out data/held_out --rejects data/rejects.parquet "
    "--metrics metrics/curate.json --plot metrics/funnel.csv --lengths metrics/lengths.csv",
    "mark": "mark --traces data/exams/final --benchmarks data/benchmarks.parquet --output data/marks/final.parquet",
    "gather": "gather --student base --output data/gathered/base --files data/exams/final data/marks/final.parquet",
    "report": "report --gathered data/gathered/base --benchmarks data/benchmarks.parquet "
    "--scores data/scores.parquet --eval metrics/eval.json --summary metrics/summary.json --table metrics/results.md "
    "--plot metrics/accuracy.csv --budgets metrics/budgets.csv --funnels metrics/funnels.csv "
    "--lengths metrics/lengths_of_all.csv --votes metrics/votes.csv --losses metrics/losses.csv",
}


def measured(folder: Path, verb: str) -> dict[str, float]:
    """Minutes and GiB of one verb."""
    environment = {**os.environ, "PYTHONPATH": str(measuring.ROOT), "MLFLOW_TRACKING_URI": "off"}
    started = time.perf_counter()
    log = folder / "log"
    with log.open("w") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", *f"stages.{verb}".split()], cwd=folder, env=environment, stdout=said, stderr=said
        )
    peak = 0.0
    while process.poll() is None:
        peak = max(peak, measuring.resident_gib(process.pid))
        time.sleep(measuring.PAUSE)
    if process.returncode:
        sys.exit(log.read_text())
    return {"minutes": round((time.perf_counter() - started) / 60, 2), "peak_gib": round(peak, 2)}


def run(num_problems: int, num_samples: int, verbs: list[str]) -> dict[str, dict[str, float]]:
    """Every verb on a run of that size."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        settings(folder, num_samples)
        (folder / "metrics").mkdir()
        making = get_context("spawn").Process(target=write, args=(folder, num_problems, num_samples))
        making.start()
        making.join()
        if making.exitcode:
            sys.exit(making.exitcode)
        return {stage: measured(folder, VERBS[stage]) for stage in verbs}


def main() -> None:
    """Print a table of both sizes, and the larger one as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--problems", type=int, help=f"instead of {NUM_PROBLEMS:,}")
    parser.add_argument("--verbs", nargs="+", choices=VERBS, default=list(VERBS), help="each needs those before it")
    args = parser.parse_args()
    large = args.problems or (QUICK if args.quick else NUM_PROBLEMS)
    sizes = (large,) if args.quick else (large // 10, large)
    num_samples = 5 if args.quick else SAMPLES
    found = {size: run(size, num_samples, args.verbs) for size in sizes}
    heads = "".join(f"{f'{size * EACH:,} traces':>26}" for size in found)
    print(f"{'':<8}{heads}")
    for stage in args.verbs:
        cells = [f"{each[stage]['minutes']:.2f} min {each[stage]['peak_gib']:.2f} GiB" for each in found.values()]
        print(f"{stage:<8}{''.join(f'{cell:>26}' for cell in cells)}")
    print(json.dumps({"traces": large * EACH, **found[large]}))


if __name__ == "__main__":
    main()
