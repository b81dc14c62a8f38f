"""The real vLLM with a tiny model: several samples a request, a preview, engines for others, and flags that it knows."""

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from stages.core.tables.sft import SFT, SFT_KEY
from stages.core.tables.traces import TRACES
from stages.edge import params
from stages.edge.engines import server
from stages.edge.files import tables
from tests.projects import ROOT, copy_project, environment
from tests.test_bad_input import TEACH, TRAIN, write_problems
from tests.test_kills import MAX_TOKENS, tiny
from tests.test_train import CHOOSE, EXAM
from tests.tiny_models import save_tiny_model, sft_row

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

NUM_SAMPLES = 8


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    model = save_tiny_model(tmp_path_factory.mktemp("model"))

    def change(params: dict[str, Any]) -> None:
        tiny(model)(params)
        params["profiles"]["cpu"]["teach"]["medium"]["num_samples"] = NUM_SAMPLES
        params["profiles"]["cpu"]["runtime"]["samples_per_request"] = 4

    folder = copy_project(tmp_path_factory.mktemp("engine") / "project", change)
    write_problems(folder)
    (folder / "models").mkdir()
    (folder / "models/base").symlink_to(model)
    return folder


def run(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", f"stages.{arguments[0]}", *arguments[1:]]
    return subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, timeout=200)


def test_several_samples_in_a_request_are_rows_of_their_own_with_their_own_tokens(project: Path) -> None:
    done = run(project, *TEACH)
    assert done.returncode == 0, done.stderr
    traces = tables.read(project / "data/traces/medium", TRACES)
    assert traces.height == 3 * NUM_SAMPLES
    assert traces["content"].n_unique() > 2 * NUM_SAMPLES, "random weights, hot: hardly two are alike"
    assert traces["completion_tokens"].null_count() == 0
    assert traces["completion_tokens"].max() == MAX_TOKENS
    (log,) = (project / ".cache/logs").glob("teacher-*.log")
    assert log.read_text().count('POST /v1/chat/completions HTTP/1.1" 200') == 3 * NUM_SAMPLES // 4


def test_a_preview_shows_the_prompt_as_the_engine_renders_it_and_stores_nothing(project: Path) -> None:
    before = {path: path.read_bytes() for path in (project / ".cache/answers").rglob("*.sqlite")}
    done = run(project, *TEACH, "--preview", "2")
    assert done.returncode == 0, done.stderr
    assert re.search(r"<\|im_start\|>user\nWhat is \d\+\d\?\n(.|\n)*<\|im_start\|>assistant", done.stderr)
    assert re.search(r"2 of 2 answered, \d+ tokens each", done.stderr)
    assert f"{3 * NUM_SAMPLES} queries are about" in done.stderr
    assert {path: path.read_bytes() for path in (project / ".cache/answers").rglob("*.sqlite")} == before


def test_an_engine_for_other_programs_says_where_it_is_and_ends_with_ctrl_c(project: Path) -> None:
    serve = subprocess.Popen(
        [sys.executable, "-m", "stages.serve", "models/base", "--name", "mine", "--seed", "3"],
        cwd=project, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert serve.stdout is not None
    told = serve.stdout.readline()
    url = told.removeprefix("OPENAI_BASE_URL=").strip()
    with urllib.request.urlopen(f"{url}/models", timeout=10) as reply:
        assert [each["id"] for each in json.load(reply)["data"]] == ["mine"]
    serve.send_signal(signal.SIGINT)
    _, errors = serve.communicate(timeout=60)
    assert serve.returncode == 130 and "Traceback" not in errors
    with pytest.raises(OSError):
        urllib.request.urlopen(f"{url}/models", timeout=10)
    assert "'seed': 3" in (project / ".cache/logs/mine.log").read_text()


PARSE = """
import json, sys
from vllm.entrypoints.launchers.cli_args import make_arg_parser
from vllm.utils.argparse_utils import FlexibleArgumentParser
for flags in json.loads(sys.argv[1]):
    parsed = make_arg_parser(FlexibleArgumentParser()).parse_args(flags)
    print(parsed.tensor_parallel_size, parsed.max_num_seqs, parsed.reasoning_parser, parsed.host)
"""


def flags_of(profile: str, folder: Path, patch: pytest.MonkeyPatch) -> list[str]:
    """What `vllm serve` is started with for a profile's first teacher, behind the name of the program."""
    folder.mkdir()
    params_file = (ROOT / "params.yaml").read_text().replace("profile: cpu", f"profile: {profile}", 1)
    (folder / "params.yaml").write_text(params_file)
    patch.chdir(folder)
    params.content.cache_clear()
    try:
        runtime = params.load(params.Runtime, "runtime")
        teacher = params.load(list[params.TeacherModel], "teach.models")[0]
    finally:
        params.content.cache_clear()
    settings = runtime.engine.model_copy(update={"tensor_parallel_size": 2})
    flags = {"dtype": teacher.dtype, "reasoning-parser": teacher.reasoning_parser}
    (engine,) = server.replicas(teacher.name, teacher.name, flags, settings, folder / "log", None)
    return list(engine._serve[3:])


def test_vllms_own_parser_takes_the_flags_of_the_gpu_profiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    flags = [flags_of(profile, tmp_path / profile, monkeypatch) for profile in ("gpu", "reasonlite")]
    done = subprocess.run(
        [sys.executable, "-c", PARSE, json.dumps(flags)],
        capture_output=True,
        text=True,
        timeout=200,
        env={**os.environ},
    )
    assert done.returncode == 0, done.stderr
    told = [line.split() for line in done.stdout.splitlines()[-2:]]
    assert told == [["2", number, "openai_gptoss", "127.0.0.1"] for number in ("256", "512")]


def test_a_training_stage_can_examine_its_checkpoints_and_hand_on_the_best(tmp_path: Path) -> None:
    chosen = {"held_out_every": 40, "keep": "best_avg", "num_checkpoints": 2, "checkpoint_exam": EXAM}
    folder = copy_project(
        tmp_path / "project", tiny(tmp_path, epochs=10, max_length=512, learning_rate=0.01, batch_size=4, **chosen)
    )
    save_tiny_model(folder / "models/base")
    answer = "All is one: \\boxed{1}."
    rows = [sft_row(f"{number:02d}", f"{number}?", answer) for number in range(40)]
    for table, part in (("data/sft/turbo", rows[:32]), ("data/held_out/turbo", rows[32:])):
        tables.write(pl.DataFrame(part, schema=SFT), folder / table, SFT, SFT_KEY)
    done = run(folder, *TRAIN)
    assert done.returncode == 0, done.stderr
    done = run(folder, "choose", *CHOOSE, "--trained", "metrics/train.json")
    assert done.returncode == 0, done.stderr
    figures = json.loads((folder / "metrics/choose_turbo.json").read_text())
    scores = figures["checkpoint_exam"]
    assert list(scores) == ["40", "80"]
    # Eighty steps teach even this student to say always the same, and the later of two that know it is taken.
    assert scores["80"] == {"avg": 1.0, "pass_at_k": 1.0} and figures["kept_steps"] == [80]
