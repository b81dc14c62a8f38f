"""A pipeline of minutes for tests that run DVC: few word problems, a teacher and students that a scripted server plays."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from stages.edge.models import weights
from tests.scripted_server import Reply, ScriptedServer

TEACHER = "some/teacher"
NUM_SAMPLES = {"medium": 3, "high": 2}
NUM_EXAM_PROBLEMS = 8
EFFORTS = ("medium", "high")

Change = Callable[[dict[str, Any]], None]


def settings(model: Path, **samples: int) -> Change:
    """The cpu profile with a tiny student, a teacher that some server has, and `samples` of each problem by effort."""

    def change(params: dict[str, Any]) -> None:
        profile = params["profiles"]["cpu"]
        params["profiles"] = {"cpu": profile}
        profile["base"] = {"kind": "folder", "name": str(model), "file": None, "revision": None}
        profile["collect"]["generator"].update(lowest=2, highest=6, num_exam_pairs=2)
        for benchmark in profile["collect"]["benchmarks"]:
            benchmark["num_problems"] = NUM_EXAM_PROBLEMS // 2
        profile["teach"]["models"][0].update(name=TEACHER)
        for effort in EFFORTS:
            profile["teach"][effort].update(num_samples={**NUM_SAMPLES, **samples}[effort])
            profile["prompts"][effort].update(examples=[])
        for stage in params["sft"]:
            profile["curate"][stage]["filters"].update(max_tokens=512)
            profile["curate"][stage].update(num_held_out_problems=2)
            profile["train"][stage].update(max_length=512)
        profile["baselines"], profile["examine"] = [], []
        profile["runtime"].update(concurrency=8, stall_seconds=None, give_up_seconds=20.0)

    return change


def reply(body: dict[str, Any]) -> Reply:
    """The right answer, one time in seven a wrong one, in words that differ with the seed of the request."""
    first, second, *more = map(int, re.findall(r"\d+", body["messages"][-1]["content"]))
    wrong = int(body["seed"] % 7 == 0)
    result = first * second + sum(more) + wrong
    return Reply(f"Way {body['seed'] % 1000}: {first} times {second} counts. The answer is \\boxed{{{result}}}.")


def server(folder: Path, answer: Callable[[dict[str, Any]], Reply] = reply, teacher: bool = True) -> ScriptedServer:
    """A server that has the students of the project in `folder`, as far as they are trained, and the teacher."""

    def models() -> list[str]:
        students = sorted(path.parent for path in (folder / "models").glob("*/config.json"))
        names = [weights.served_name(path.name, weights.identity(path)) for path in students]
        return [*names, TEACHER] if teacher else names

    return ScriptedServer(models, answer)


def asked(requests: Sequence[dict[str, Any]], model: str = TEACHER) -> list[tuple[str, int]]:
    """(question, seed) of each request to `model`: what tells one query from another."""
    return [(str(body["messages"][-1]["content"]), int(body["seed"])) for body in requests if body["model"] == model]
