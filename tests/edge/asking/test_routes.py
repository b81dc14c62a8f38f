"""Whatever asks a model sends what it hashes: each route to a request, its key and the body that a server receives."""

import hashlib
import json
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml

from stages.core.formats import original
from stages.core.problems import problems
from stages.core.sampling.queries import Query
from stages.core.tables.benchmarks import BENCHMARKS, BENCHMARKS_KEY
from stages.core.tables.problems import PROBLEMS, PROBLEMS_KEY
from stages.edge import params, store
from stages.edge.asking import llm_judge
from stages.edge.files import tables
from stages.edge.models import weights
from stages.edge.store import keeping
from stages.edge.training import checkpoint_exam
from tests.core.checkpoints.test_scores import held_out
from tests.edge.asking import test_sampler
from tests.edge.asking.test_sampler import runtime
from tests.edge.training.test_checkpoint_exam import LIMITS
from tests.projects import ROOT
from tests.scripted_server import Reply, ScriptedServer

HUB, SUFFIX, QUESTION = "some/model", "Think.", "What is 1+1?"
SAMPLING = {
    "temperature": 0.6, "top_p": 0.95, "top_k": -1, "min_p": 0.0, "repetition_penalty": 1.0, "max_tokens": 96,
}  # fmt: skip
MODEL = {
    "name": HUB, "revision": "a1b2", "dtype": "bfloat16", "quantization": None, "reasoning_parser": "qwen3",
    "extra_body": {"chat_template_kwargs": {"enable_thinking": True}},
}  # fmt: skip
TEACH: dict[str, Any] = {
    "models": None, "num_samples": 2, "adaptive": None, "sampling": SAMPLING, "max_tokens_when_cut_off": None,
}  # fmt: skip
TEACHER_PROMPT: dict[str, Any] = {"reasoning_effort": "high", "system": None, "suffix": SUFFIX, "examples": []}
PROMPT = {"system": None, "suffix": SUFFIX}
HUB_IDENTITY = {name: MODEL[name] for name in ("name", "revision", "dtype", "quantization", "reasoning_parser")}
FOLDER_IDENTITY = {"weights": "", "dtype": "bfloat16", "quantization": None}


def settings(folder: Path) -> None:
    """params.yaml of a profile that asks for the same thing in each of its sections."""
    document = yaml.safe_load((ROOT / "params.yaml").read_text())
    profile = document["profiles"]["cpu"]
    profile["teach"].update(models=[{"label": "teacher", **MODEL}], medium=TEACH)
    profile["prompts"]["medium"] = TEACHER_PROMPT
    profile["exam"]["protocol"].update(num_samples=2, dtype="bfloat16", sampling=SAMPLING)
    profile["exam"]["prompt"] = PROMPT
    profile["baselines"] = [{"name": "other", "model": MODEL, "efforts": ["medium"]}]
    (folder / "params.yaml").write_text(yaml.safe_dump(document))
    params.content.cache_clear()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with one problem, one question of an exam, and weights."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REASONLITE_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "off")
    settings(tmp_path)
    rows = [{"prompt": QUESTION, "gold": "2"}]
    tables.write(problems.problem_rows("mine", rows), tmp_path / "problems.parquet", PROBLEMS, PROBLEMS_KEY)
    exam = problems.benchmark_rows("mine", None, problems.problem_rows("mine", rows))
    tables.write(exam, tmp_path / "benchmarks.parquet", BENCHMARKS, BENCHMARKS_KEY)
    model = tmp_path / "weights"
    model.mkdir()
    (model / "model.safetensors").write_bytes(b"no weights")
    (model / "config.json").write_text('{"max_position_embeddings": 1000}')
    return tmp_path


def verb(name: str, *arguments: str) -> None:
    before = sys.argv
    sys.argv = [name, *arguments]
    try:
        import_module(f"stages.{name}").main()
    finally:
        sys.argv = before


def teach() -> None:
    verb("teach", "--effort", "medium", "--problems", "problems.parquet", "--model", "weights", "--output", "traces")


def exam() -> None:
    verb("exam", "--student", "turbo", "--benchmarks", "benchmarks.parquet", "--model", "weights", "--output", "exam")


def baselines() -> None:
    verb("baselines", "--benchmarks", "benchmarks.parquet", "--base", "weights", "--output", "baselines")


def judge() -> None:
    chosen = {**MODEL, "reasoning_effort": "high", "sampling": SAMPLING, "num_overlap": 0}
    llm_judge.ask([("1", "2")], params.LlmJudge.model_validate(chosen), settings_of_machine(), lambda figures: None)


def checkpoint() -> None:
    chosen = {"num_samples": 2, "pass_k": 1, "dtype": "bfloat16", "reasoning_parser": None, "sampling": SAMPLING}
    rows = held_out(("a", f"{QUESTION}\n{SUFFIX}", "\\boxed{2}"))
    exam = params.CheckpointExam.model_validate(chosen)
    checkpoint_exam.examine([Path("weights")], rows, exam, LIMITS, settings_of_machine(), lambda figures: None)


def settings_of_machine() -> params.Runtime:
    return runtime(stall_seconds=None)


def requests_of(route: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> tuple[list[dict[str, Any]], set[str]]:
    """The bodies that a server received on a route, and the keys under which the answers were stored."""
    identified = weights.identity(Path("weights"))
    served = {HUB, *(weights.served_name(label, identified) for label in ("turbo", "checkpoint-weights"))}
    with ScriptedServer(sorted(served), lambda body: Reply("\\boxed{2}")) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        route()
    return [body for body in server.requests if body["max_tokens"] > 1], stored()


def stored() -> set[str]:
    keys = set()
    for each in sorted(path for path in store.root().iterdir() if path.is_dir()):
        for path in keeping.files(each.name):
            with keeping.reading(path) as file:
                keys |= {key.hex() for key, *_ in file.rows()}
    return keys


def key(identity: dict[str, Any], effort: str | None, body: dict[str, Any], sample: int) -> str:
    """The key by its definition, from what a server received."""
    fields = {name: value for name, value in body.items() if name not in ("model", "messages", "seed")}
    hashed = {
        "identity": identity, "messages": body["messages"], "effort": effort, "sample": sample,
        "sampling": {"reasoning_effort": None, **fields},
    }  # fmt: skip
    return hashlib.sha256(json.dumps(hashed, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


ROUTES: dict[Callable[[], None], tuple[dict[str, Any], str | None]] = {
    teach: (HUB_IDENTITY, "medium"),
    baselines: (HUB_IDENTITY, "medium"),
    judge: (HUB_IDENTITY, None),
    exam: (FOLDER_IDENTITY, None),
    checkpoint: (FOLDER_IDENTITY, None),
}
OF_THE_TEACHER = {
    "e28695e5c300103b137c84bc431611db04e201add8c2596e0694a1586a3e519f",
    "fb661e089f3d835c5b4895b5b43c92c02e48026d2e39f03e266e433689774cc6",
}
OF_THE_STUDENT = {
    "3eef59180c7244c9fb3a637537897bd10c9848fd2fffffaad0970e9c3d73bb63",
    "438e30badb94d4977591e91988b35553dc07650e9674c7fdf589e419af449654",
}
OF_THE_JUDGE = {
    "593b3febdc94aa36d6b7b6372d07f21727f4cdd83e5f12a325b7c939b3217e8c",
    "818c762a6efa5b069b975482299567dcd315ad8742438c0b7dbcace5dc874e53",
}
KEYS = {
    teach: OF_THE_TEACHER,
    baselines: OF_THE_TEACHER,
    judge: OF_THE_JUDGE,
    exam: OF_THE_STUDENT,
    checkpoint: OF_THE_STUDENT,
}
"""As they were when the first answers were stored: with another key every answer of every store is asked for again."""


@pytest.mark.parametrize("route", ROUTES)
def test_a_route_stores_under_the_key_of_what_it_sent_and_two_that_send_the_same_share_it(
    route: Callable[[], None], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    identity, effort = ROUTES[route]
    if "weights" in identity:
        identity = {**identity, "weights": weights.identity(folder / "weights")}
    bodies, keys = requests_of(route, monkeypatch)
    assert len(bodies) == len(keys) == 2
    samples = {int(key(identity, effort, body, n)[:8], 16) & 0x7FFFFFFF: (body, n) for body in bodies for n in (0, 1)}
    sent = {key(identity, effort, *samples[body["seed"]]) for body in bodies}
    assert sent == keys, "the key is that of the body, and the seed that of the key"
    assert keys == KEYS[route]


def test_an_import_stores_under_the_keys_that_the_teacher_looks_for(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model_input = original.model_input(f"{QUESTION}\n{SUFFIX}", "high")
    rows = [
        {
            "info": {"prompt": QUESTION, "expected_answer": "2", "index": "a:0"}, "index": f"a:0_{sample}",
            "model_input": model_input, "model_output": f"{model_input}It is 2.", "prompt": QUESTION,
            "answer": original.raw_turn(None, "It is 2."),
        }
        for sample in (0, 1)
    ]  # fmt: skip
    lines = folder / "theirs/answer_origin/1/0_1.jsonl"
    lines.parent.mkdir(parents=True)
    lines.write_text("".join(json.dumps(row) + "\n" for row in rows))
    options = ("--effort", "medium", "--model", "teacher", "--output", "imported")
    verb("edge.reasonlite.__main__", "import", "theirs", *options)
    assert stored() == KEYS[teach]
    assert requests_of(teach, monkeypatch) == ([], KEYS[teach]), "nothing is left to ask"


REQUEST = test_sampler.request({**SAMPLING, "reasoning_effort": "high", "guided_regex": "x"})
CHAT = ({"role": "user", "content": QUESTION},)


@pytest.mark.parametrize("field", ["messages", "seed", *REQUEST.fields])
def test_whatever_of_a_request_is_sent_changes_its_key(field: str) -> None:
    """But for the name that the server lists: what it stands for, the identity, is in the key."""
    (query,) = (Query(REQUEST.key(CHAT, 0), None, "a", 0, CHAT),)
    body = REQUEST.body([query])
    assert set(body) == {"model", "messages", "seed", *REQUEST.fields}, "every field that is sent is asked about here"
    if field == "messages":
        changed = REQUEST.key(({"role": "user", "content": "What is 1+2?"},), 0)
    elif field == "seed":
        changed = REQUEST.key(CHAT, 1)
    else:
        changed = REQUEST._replace(fields={**REQUEST.fields, field: 0}).key(CHAT, 0)
    assert changed != query.key
