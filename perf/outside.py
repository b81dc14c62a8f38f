r"""A student's exam once more, asked and judged by lm-evaluation-harness: does it come to the same number?

    python3.11 -m venv OTHER && OTHER/bin/pip install 'lm-eval[api,math]'
    python perf/outside.py --python OTHER/bin/python                  # final, with the exam's seeds; some minutes
    python perf/outside.py --python OTHER/bin/python --seeds own      # a draw of its own, and greedy
    python perf/outside.py --python OTHER/bin/python --student turbo
    python perf/outside.py --quick                                    # without lm-eval and without a run: see below

lm-eval gets the exam's problems, prompt, sampling and number of samples as tasks of its own, one for each sample, and
asks the same weights through `local-chat-completions`, at a server in OPENAI_BASE_URL that has them, else at an engine
that is started here. It knows one seed for all requests of a task: with `--seeds exam` a subclass of its client sends
in its place the seed that the exam had for this problem and sample. It extracts and judges by its own code:
`exact_match` is that of its AIME tasks (the last box, compared as text), `math_verify` that of its minerva_math tasks.

Three comparisons with what the finished pipeline has: (a) its verdicts and ours on the exam's own answers; (b) on its
answers, where ours are those of `python -m stages.score` on lm-eval's sample files; (c) texts and averages of its
answers and of the exam's. (a) and (b) differ where judges differ; (c) also by the draw and, with the exam's seeds, by
all that an engine does otherwise for an answer in other company. Prints a table and, as the last line, one JSON object.
Run it in the project's root; it is no test.

`--quick` measures (b) alone, on published answers to the problems of a mock AIME (`--data`, perf/README.md), which it
writes as lm-eval writes its own. In lm-eval's place math-verify judges, called as its minerva_math tasks call it, and
`exact_match` is the last box compared as text; the tasks, the check of what was asked and our verdicts are the same.
"""

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
import yaml

sys.path.insert(0, str(Path(__file__).parents[1]))

from perf import data_folder
from stages.core.answers import boxes
from stages.core.scoring import differences
from stages.edge import params
from stages.edge.asking import jobs
from stages.edge.engines import endpoints

ROOT = Path(__file__).parents[1]
HARNESS = ROOT / "perf/harness"
CONCURRENT = 32
QUICK_PROBLEMS, QUICK_ANSWERS, QUICK_SAMPLES = (
    "bench/otis_mock_aime_45.jsonl",
    "gen/otis_mock_aime/gemini-2.0-flash_x16.jsonl",
    2,
)
GREEDY = "greedy"
SEEDS = "seeds.json"
METRICS = ("exact_match", "math_verify")
JUDGES = {"ours": "ours", **{metric: f"lm-eval's {metric}" for metric in METRICS}}
Verdicts = pl.DataFrame
"""benchmark, problem_id, sample, text, one column a metric of lm-eval (0 or 1), `ours` (0 or 1)."""


class Exam(NamedTuple):
    """What a student is asked, and how."""

    student: str
    problems: pl.DataFrame
    served: endpoints.Served
    job: jobs.Job

    @property
    def sampling(self) -> dict[str, Any]:
        """The fields of its requests."""
        return {name: value for name, value in self.job.request.fields.items() if value is not None}

    @property
    def docs(self) -> dict[str, list[dict[str, Any]]]:
        """By benchmark the problems as lm-eval's tasks want them, with the golds bare and as the end of a solution."""
        golds = {row["problem_id"]: row["gold"] for row in self.problems.iter_rows(named=True)}
        found: dict[str, list[dict[str, Any]]] = {}
        for asked in self.job.queries():
            gold = golds[asked[0].problem_id]
            doc = {
                "problem_id": asked[0].problem_id,
                "text": asked[0].messages[-1]["content"],
                "answer": gold,
                "solution": f"\\boxed{{{gold}}}",
                "seeds": [query.seed for query in asked],
            }
            found.setdefault(str(asked[0].benchmark), []).append(doc)
        return found


def exam(student: str) -> Exam:
    """The exam that the profile in force gave a student."""
    problems = pl.read_parquet(ROOT / "data/benchmarks.parquet").sort("benchmark", "problem_id")
    protocol = params.load(params.Protocol, "exam.protocol")
    folder = ROOT / "models" / student
    served = endpoints.from_folder("student", student, folder, protocol.dtype, None, protocol.reasoning_parser)
    return exam_in(problems, student, served)


def exam_in(problems: pl.DataFrame, student: str, served: endpoints.Served) -> Exam:
    """The exam in these problems that the profile in force gives a student."""
    protocol, override = params.load(params.Protocol, "exam.protocol"), f"exam.overrides.{student}"
    if protocol.until:
        sys.exit("lm-eval draws the same number of samples of every benchmark: set exam.protocol.until to null")
    changed = {key: value for key, value in params.load(params.Override, override) if value is not None}
    sampling, prompt = protocol.sampling.model_copy(update=changed), params.load(params.Prompt, "exam.prompt")
    job = jobs.made(student, None, "exam", served, problems, prompt, sampling, protocol.num_samples)
    return Exam(student, problems, served, job)


def write_tasks(folder: Path, asked: Exam, greedy: bool) -> list[str]:
    """The files of lm-eval's tasks, one for each benchmark and sample and maybe a greedy one; their names."""
    docs = asked.docs
    shutil.copyfile(HARNESS / "judge.py", folder / "judge.py")  # lm-eval looks for it beside its task
    (folder / "judged.yaml").write_text("process_results: !function judge.process_results\n")
    seeds = {doc["text"]: doc["seeds"] for each in docs.values() for doc in each}
    (folder / SEEDS).write_text(json.dumps(seeds))
    draws = {str(seed): {**asked.sampling, "seed": seed} for seed in range(asked.job.request.num_samples)}
    if greedy:
        draws[GREEDY] = {**asked.sampling, "temperature": 0.0, "top_p": 1.0, "seed": 0}
    names = []
    for benchmark, rows in docs.items():
        file = folder / f"{benchmark}.jsonl"
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
        for label, sampling in draws.items():
            names.append(f"{benchmark}-{label}")
            task = _task(names[-1], file, sampling)
            (folder / f"{names[-1]}.yaml").write_text(yaml.safe_dump(task, sort_keys=False))
    return names


def _task(name: str, docs: Path, sampling: Mapping[str, Any]) -> dict[str, Any]:
    fields = {key: value for key, value in sampling.items() if key != "max_tokens"}
    return {
        "include": "judged.yaml",
        "task": name,
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(docs)}},
        "test_split": "test",
        "output_type": "generate_until",
        "doc_to_text": "{{text}}",
        "doc_to_target": "{{answer}}",
        "metric_list": [{"metric": metric, "aggregation": "mean", "higher_is_better": True} for metric in METRICS],
        # Without `until: []` an answer would end at its first empty line.
        "generation_kwargs": {
            **fields,
            "max_gen_toks": sampling["max_tokens"],
            "until": [],
            "do_sample": sampling["temperature"] > 0,
        },
    }


def run_harness(python: str, folder: Path, names: list[str], asked: Exam, client: str) -> None:
    """Let lm-eval ask the student, its samples and results written below `folder`/out."""
    with endpoints.serving(asked.served, params.load(params.Runtime, "runtime")) as there:
        settings = {
            "model": asked.served.name,
            "base_url": f"{there.endpoints[0].url}/chat/completions",
            "num_concurrent": CONCURRENT,
            "tokenized_requests": False,
            "max_retries": 3,
        }
        command = [
            python, str(HARNESS / "run.py"), "run", "--model", client,
            "--model_args", ",".join(f"{key}={value}" for key, value in settings.items()),
            "--tasks", ",".join(names), "--include_path", str(folder), "--apply_chat_template", "--num_fewshot", "0",
            "--output_path", str(folder / "out"), "--log_samples",
        ]  # fmt: skip
        if asked.job.request.system:
            command += ["--system_instruction", asked.job.request.system]
        subprocess.run(command, check=True, stdout=sys.stderr, env=outside(folder))


def outside(folder: Path) -> dict[str, str]:
    """The environment of the other python: nothing of ours on its path, no hub."""
    kept = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}
    kept.setdefault("OPENAI_API_KEY", "none")
    return {
        **kept,
        "HF_DATASETS_CACHE": str(folder / "cache"),
        "HF_HUB_OFFLINE": "1",
        "EXAM_SEEDS": str(folder / SEEDS),
    }


def harness_samples(folder: Path, name: str) -> Path:
    """The file of a task's samples."""
    (found,) = (folder / "out").rglob(f"samples_{name}_*.jsonl")
    return found


def check_question(row: Mapping[str, Any], asked: Exam) -> None:
    """Stop if lm-eval sent other messages or another sampling than the exam."""
    doc, (sent, settings) = row["doc"], (row["arguments"]["gen_args_0"][key] for key in ("arg_0", "arg_1"))
    system = [{"role": "system", "content": asked.job.request.system}] if asked.job.request.system else []
    wanted = [*system, {"role": "user", "content": doc["text"]}]
    found = json.loads(sent[0] if isinstance(sent, list) else sent)
    if [{key: each[key] for key in ("role", "content")} for each in found] != wanted:
        sys.exit(f"lm-eval asked {found}, the exam asks {wanted}")
    differing = {key: settings.get(key) for key, value in asked.sampling.items()
                 if key != "max_tokens" and settings.get(key) != value}  # fmt: skip
    if differing or settings["max_gen_toks"] != asked.sampling["max_tokens"]:
        sys.exit(f"lm-eval sampled with {settings}, the exam with {asked.sampling}")


def ours_on(file: Path, folder: Path) -> dict[str, int]:
    """Right answers by `doc_id` in one of lm-eval's files, by `python -m stages.score`."""
    output = folder / "score.json"
    command = [sys.executable, "-m", "stages.score", "--traces", str(file), "--output", str(output), "--strict"]
    subprocess.run(
        command, check=True, stdout=subprocess.DEVNULL, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    found = json.loads(output.read_text())["problems"]
    return {name: each["num_correct"] for name, each in found.items()}


def harness_verdicts(folder: Path, asked: Exam, label: str, sample: int) -> Verdicts:
    """(b): lm-eval's verdicts and ours on its own answers, of the tasks called BENCHMARK-`label`."""
    parts = []
    for benchmark in asked.docs:
        file = harness_samples(folder, f"{benchmark}-{label}")
        ours = ours_on(file, folder)
        for row in map(json.loads, file.read_text().splitlines()):
            if label != GREEDY:
                check_question(row, asked)
            judged = {metric: int(row[metric]) for metric in METRICS}
            key = {
                "benchmark": benchmark,
                "problem_id": row["doc"]["problem_id"],
                "sample": sample,
                "text": row["resps"][0][0],
            }
            parts.append({**key, **judged, "ours": ours[str(row["doc_id"])]})
    return pl.DataFrame(parts)


def exam_verdicts(python: str, folder: Path, asked: Exam) -> Verdicts:
    """(a): our verdicts and lm-eval's on the answers of the exam that the pipeline gave."""
    key = ["benchmark", "problem_id", "sample"]
    traces = pl.read_parquet(ROOT / f"data/exams/{asked.student}/*.parquet")
    marks = pl.read_parquet(ROOT / f"data/marks/{asked.student}.parquet")
    joined = traces.join(marks.select(*key, "verdict"), on=key).join(asked.problems, on=key[:2]).sort(key)
    docs = {doc["problem_id"]: doc for each in asked.docs.values() for doc in each}
    lines = [
        json.dumps({"doc": docs[name], "text": text or ""}) for name, text in joined[["problem_id", "content"]].rows()
    ]
    done = subprocess.run(
        [python, str(HARNESS / "judge.py")], input="\n".join(lines), capture_output=True, text=True, check=True,
        env=outside(folder),
    )  # fmt: skip
    theirs = pl.DataFrame([json.loads(line) for line in done.stdout.splitlines()])
    ours = joined.select(*key, text="content", ours=(pl.col("verdict") == "correct").cast(pl.Int64))
    return pl.concat([ours, theirs.select(METRICS)], how="horizontal")


def compared(asked: Exam, theirs: Verdicts) -> tuple[differences.Difference, int]:
    """(c): how much lm-eval's average is above that of data/scores.parquet; problems with another count of rights."""
    scores = pl.read_parquet(ROOT / "data/scores.parquet").filter(pl.col("student") == asked.student)
    counted = theirs.group_by("benchmark", "problem_id").agg(
        num_samples=pl.len().cast(pl.Int32), num_correct=pl.col("exact_match").sum().cast(pl.Int32)
    )
    other = scores.drop("num_samples", "num_correct").join(counted, on=["benchmark", "problem_id"])
    settings = params.load(params.Report, "report")
    both = (scores.sort("benchmark", "problem_id"), other.select(scores.columns).sort("benchmark", "problem_id"))
    found = differences.paired_difference(*both, settings.num_resamples, settings.seed)
    assert found is not None, "every problem has scored samples"
    return found, int((both[0]["num_correct"] != both[1]["num_correct"]).sum())


def quick(data: Path) -> None:
    """(b) on published answers, with math-verify in lm-eval's place; print the table and the JSON object."""
    listed = [
        {"benchmark": "otis", "problem_id": row["id"], "prompt": row["problem"], "gold": row["answer"]}
        for row in data_folder.rows(data, QUICK_PROBLEMS)
    ]
    problems = pl.DataFrame(listed).with_columns(topic=pl.lit(None, pl.String)).sort("benchmark", "problem_id")
    with contextlib.chdir(ROOT):
        asked = exam_in(
            problems, "final", endpoints.Served("student", "published", "", {}, {"reasoning-parser": None}, {})
        )
    texts = {(row["problem_id"], row["epoch"] - 1): row["response"] for row in data_folder.rows(data, QUICK_ANSWERS)}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_tasks(folder, asked, False)
        for sample in range(QUICK_SAMPLES):
            write_published(folder, asked, sample, texts)
        found = pl.concat([harness_verdicts(folder, asked, str(n), n) for n in range(QUICK_SAMPLES)])
    judges = {"ours": "ours", "exact_match": "the last box as text", "math_verify": "math-verify"}
    print_averages(asked, {"others": found}, judges)
    apart = {metric: int((found["ours"] != found[metric]).sum()) for metric in METRICS}
    right = {column: round(averages(found, column)["mean"], 2) for column in ("ours", *METRICS)}
    print(json.dumps({"answers": found.height, **right, "verdicts_that_differ": apart}))


def write_published(folder: Path, asked: Exam, sample: int, texts: Mapping[tuple[str, int], str]) -> None:
    """Answers of one sample in the file that lm-eval would write of its task, judged by math-verify and as text."""
    from math_verify import parse, verify

    for benchmark, docs in asked.docs.items():
        task = yaml.safe_load((folder / f"{benchmark}-{sample}.yaml").read_text())
        lines = []
        for number, doc in enumerate(docs):
            text = texts[doc["problem_id"], sample]
            judged = {
                "exact_match": int(boxes.last(text) == doc["answer"]),
                "math_verify": int(verify(parse(doc["solution"]), parse(text))),
            }
            sent = {
                "arg_0": [json.dumps([{"role": "user", "content": doc["text"]}])],
                "arg_1": task["generation_kwargs"],
            }
            row = {
                "doc_id": number,
                "doc": doc,
                "target": doc["answer"],
                "resps": [[text]],
                "arguments": {"gen_args_0": sent},
            }
            lines.append(json.dumps({**row, **judged}))
        (folder / "out").mkdir(exist_ok=True)
        (folder / "out" / f"samples_{benchmark}-{sample}_.jsonl").write_text("\n".join(lines))


def averages(verdicts: Verdicts, column: str) -> dict[str, float]:
    """Percent right by benchmark, and their mean."""
    found = {
        part["benchmark"][0]: 100 * float(part[column].mean())  # type: ignore[arg-type]
        for part in verdicts.sort("benchmark").partition_by("benchmark", maintain_order=True)
    }
    return {**found, "mean": sum(found.values()) / len(found)}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", help="of an environment that has lm-eval[api,math]")
    parser.add_argument("--student", default="final")
    parser.add_argument("--seeds", choices=("exam", "own"), default="exam")
    parser.add_argument("--quick", action="store_true", help="on published answers, without lm-eval and without a run")
    parser.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        default=data_folder.DEFAULT,
        help="of --quick: with bench/, gen/ (%(default)s)",
    )
    args = parser.parse_args()
    if args.quick:
        quick(args.data)
        return
    if not args.python:
        parser.error("name the python of an environment that has lm-eval[api,math] with --python, or say --quick")
    asked, own = exam(args.student), args.seeds == "own"
    client = "local-chat-completions" if own else "exam-chat-completions"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run_harness(args.python, folder, write_tasks(folder, asked, own), asked, client)
        verdicts = {"exam": exam_verdicts(args.python, folder, asked)}
        samples = [harness_verdicts(folder, asked, str(n), n) for n in range(asked.job.request.num_samples)]
        verdicts["lm-eval"] = pl.concat(samples)
        if own:
            verdicts["lm-eval, greedy"] = harness_verdicts(folder, asked, GREEDY, 0)
    report(asked, verdicts)


def print_averages(asked: Exam, verdicts: Mapping[str, Verdicts], judges: Mapping[str, str]) -> None:
    """Percent right by who asked, by judge (a column of the verdicts, and its name) and by benchmark."""
    columns = [*asked.docs, "mean"]
    print(f"{asked.served.name + ', percent right':<56}" + "".join(f"{column:>12}" for column in columns))
    for asker, table in verdicts.items():
        for column, judge in judges.items():
            right = averages(table, column)
            line = f"asked by {asker}, judge: {judge}"
            print(f"{line:<56}" + "".join(f"{right[each]:12.2f}" for each in columns))


def report(asked: Exam, verdicts: Mapping[str, Verdicts]) -> None:
    """Print the table and the JSON object."""
    print_averages(asked, verdicts, JUDGES)
    apart = sum(int((table["ours"] != table[metric]).sum()) for table in verdicts.values() for metric in METRICS)
    ours, theirs = verdicts["exam"], verdicts["lm-eval"]
    both = ours.join(theirs, on=["benchmark", "problem_id", "sample"], suffix="_theirs")
    same = int((both["text"] == both["text_theirs"]).sum())
    found, moved = compared(asked, theirs)
    value, *interval = (round(100 * each, 2) for each in found.interval)
    summary = {
        "exam": round(averages(ours, "ours")["mean"], 2),
        "lm_eval": round(averages(theirs, "exact_match")["mean"], 2),
        "difference": value,
        "interval": interval,
        "problems_that_differ": f"{moved} of {asked.problems.height}",
        "same_texts": f"{same} of {both.height}",
        "verdicts_that_differ": apart,
    }
    print(json.dumps(summary))


if __name__ == "__main__":
    main()
