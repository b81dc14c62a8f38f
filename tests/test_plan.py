"""A plan of each profile before anything ran, of a project in which some stages ran, and what is not known."""

import fcntl
import json
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from stages.core.sampling import queries
from stages.core.sampling.queries import Answer
from stages.core.tables.problems import PROBLEMS
from stages.core.tables.traces import TRACES, TRACES_KEY
from stages.edge import params, store
from stages.edge.asking import jobs
from stages.edge.engines.endpoints import from_settings
from stages.edge.files import lockfile, tables
from tests.projects import copy_project, environment
from tests.projects import dvc as start_dvc
from tests.test_verbs import Ended
from tests.test_verbs import call as call_verb
from tests.tiny_models import save_tiny_model

Plan = dict[str, Any]
PROFILES = ("cpu", "gpu", "reasonlite")


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project as it is cloned, without any out."""
    return copy_project(tmp_path_factory.mktemp("plan") / "project", lambda _: None)


def call(folder: Path, *arguments: str) -> Ended:
    return call_verb(folder, *arguments, is_stage=False)


@cache
def first_planned(folder: Path, *arguments: str) -> Plan:
    """The plan of a project that no test changes."""
    return planned(folder, *arguments)


def planned(folder: Path, *arguments: str) -> Plan:
    done = call(folder, "plan", "--json", *arguments)
    assert done.returncode == 0, done.stderr
    found: Plan = json.loads(done.stdout, parse_constant=pytest.fail)
    return found


def stage(plan: Plan, name: str) -> Plan:
    (found,) = [each for each in plan["stages"] if each["stage"] == name]
    return found


def value(plan: Plan, name: str, field: str) -> float:
    return float(stage(plan, name)[field]["value"])


def figures(value: object) -> Iterator[Plan]:
    if isinstance(value, dict):
        if "basis" in value:
            yield value
        for inner in value.values():
            yield from figures(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from figures(inner)


@pytest.mark.parametrize("profile", PROFILES)
def test_any_profile_is_planned_before_anything_ran_whichever_is_chosen(profile: str, fresh: Path) -> None:
    plan = first_planned(fresh, "--profile", profile)
    num_stages = len(lockfile.declared(fresh))
    assert (plan["profile"], plan["to_run"]["num_stages"], len(plan["stages"])) == (profile, num_stages, num_stages)
    assert all(each["why"]["is_new"] and not each["accept"] for each in plan["stages"])
    assert {each["dvc"] for each in plan["stages"]} == {"runs"}
    assert plan["happened"] == []
    # How long examples make a prompt is known once it was asked; nothing else waits for it.
    assert all(key.startswith("prompt.") for key in plan["not_known"])
    assert plan["to_run"]["gpu_hours"]["without"] == plan["to_run"]["wall_hours"]["without"] == []
    for each in figures(plan):
        assert isinstance(each["value"], int | float) or each == {"value": None, "basis": "unknown"}
    assert not (fresh / "dvc.lock").exists()


@pytest.mark.parametrize("profile", PROFILES)
def test_the_text_fits_a_terminal_and_names_a_source_for_what_is_taken_from_elsewhere(
    profile: str, fresh: Path
) -> None:
    done = call(fresh, "plan", "--profile", profile, "--price", "2.5")
    lines = done.stdout.split("\n")
    assert done.returncode == 0, done.stderr
    assert max(map(len, lines)) <= 100
    names = [each["stage"] for each in first_planned(fresh, "--profile", profile)["stages"]]
    assert [line.split()[0] for line in lines[3 : 3 + len(names)]] == names
    why = " ".join(line.strip() for line in lines[lines.index("Why they run") + 1 :])
    assert why.startswith(f"- {', '.join(names[:6])} and {len(names) - 6} more: did not run here before ")
    assert "Taken from elsewhere" in lines


def test_the_recipe_is_planned_near_what_was_published(fresh: Path) -> None:
    plan = first_planned(fresh, "--profile", "reasonlite")
    assert value(plan, "teach@medium", "problems") == 343_000
    answers = sum(value(plan, f"teach@{effort}", "samples") for effort in ("medium", "high"))
    assert answers == 343_000 * 32
    assert answers == pytest.approx(9.1e6, rel=0.25), "its card: 9.1M, fewer than 16 of each problem and effort"
    assert value(plan, "curate@turbo", "samples") + value(plan, "curate@final", "samples") == pytest.approx(6.1e6)
    assert value(plan, "train@turbo", "steps") == pytest.approx(4.3e6 * 8 / 256, rel=0.001)
    assert value(plan, "train@final", "steps") == pytest.approx(1.8e6 * 8 / 512, rel=0.001)
    assert plan["gpus"] == 8
    bounded = {"exam@base", "exam@turbo", "exam@final", "baselines"}
    assert set(plan["to_run"]["outs_bytes"]["at_most"]) == bounded
    assert plan["to_run"]["gpu_hours"]["at_most"] == [], "a rate is an estimate, so no time is a bound"
    assert stage(plan, "exam@final")["gpu_hours"]["basis"] == "prior"


def test_the_profile_for_a_laptop_needs_no_gpu_and_generates_its_problems(fresh: Path) -> None:
    plan = first_planned(fresh, "--profile", "cpu", "--price", "2.5")
    assert value(plan, "teach@medium", "problems") == 2 * 77
    assert stage(plan, "teach@medium")["problems"]["basis"] == "setting"
    assert value(plan, "teach@medium", "samples") == 2 * 77 * 6
    assert stage(plan, "teach@medium")["tokens"] == {"value": 2 * 77 * 6 * 64, "basis": "bound"}
    assert plan["to_run"]["gpu_hours"]["value"] == plan["to_run"]["cost"]["value"] == 0
    assert plan["to_run"]["wall_hours"]["value"] > 0


def test_more_gpus_take_less_time_and_the_same_hours_and_cost(fresh: Path) -> None:
    one, eight = (first_planned(fresh, "--profile", "gpu", "--gpus", n, "--price", "2.5") for n in ("1", "8"))
    for name in ("teach@high", "train@final"):
        assert value(one, name, "gpu_hours") == value(eight, name, "gpu_hours") > 0
        assert value(one, name, "cost") == pytest.approx(2.5 * value(one, name, "gpu_hours"))
        assert value(one, name, "wall_hours") == pytest.approx(8 * value(eight, name, "wall_hours"))


def test_without_a_price_there_is_no_cost(fresh: Path) -> None:
    plan = first_planned(fresh, "--profile", "gpu")
    assert plan["price_per_gpu_hour"] is None and plan["to_run"]["cost"] is None
    assert all(each["cost"] is None for each in plan["stages"])
    assert "cost" not in call(fresh, "plan", "--profile", "gpu").stdout


def test_the_settings_in_which_two_profiles_differ_are_shown(fresh: Path) -> None:
    found = first_planned(fresh, "--profile", "gpu", "--against", "reasonlite")["against"]
    assert found["profile"] == "reasonlite"
    assert found["settings"]["teach.medium.num_samples"] == [4, 16]
    assert found["settings"]["train.final.batch_size"] == [64, 512]
    assert "vote.min_share" not in found["settings"]
    text = call(fresh, "plan", "--profile", "gpu", "--against", "reasonlite").stdout
    assert "- teach.medium.num_samples: 4 -> 16" in text.split("\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--profile", "huge"), "'huge' is not one of the profiles ['cpu', 'gpu', 'reasonlite']"),
        (("--against", "huge"), "'huge' is not one of the profiles"),
        (("--gpus", "0"), "--gpus 0: must be at least 1"),
        (("--price", "nan"), "--price nan: must be a number that is not negative"),
        (("--price", "-1"), "--price -1.0: must be"),
        (("--assume", "tokens"), "--assume tokens: must be KEY=NUMBER"),
        (("--assume", "tokens.exam@final=many"), "must be KEY=NUMBER with a number above 0"),
        (("--assume", "tokens.exam@none=3"), "tokens.exam@none: no stage of this profile needs it"),
    ],
)
def test_what_cannot_be_planned_is_one_sentence(arguments: tuple[str, ...], said: str, fresh: Path) -> None:
    done = call(fresh, "plan", *arguments)
    assert done.returncode == 1 and done.stdout == ""
    assert said in done.stderr and done.stderr.count("\n") == 1


def test_output_that_nobody_reads_to_its_end_is_no_error(fresh: Path) -> None:
    command = f"{sys.executable} -m stages.plan --profile reasonlite | head -1"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], cwd=fresh, env=environment(), capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"reasonlite: {(num := len(lockfile.declared(fresh)))} of {num} stages to run, 8 GPUs\n"


def test_outside_a_project_it_says_where_it_has_to_be_run(tmp_path: Path) -> None:
    done = call(tmp_path, "plan")
    assert done.returncode == 1 and "run stages from the project's root" in done.stderr


def test_a_pipeline_that_dvc_cannot_read_is_one_sentence(tmp_path: Path) -> None:
    folder = copy_project(tmp_path / "project", lambda _: None)
    with (folder / "dvc.yaml").open("a") as file:
        file.write("\n  stage: [\n")
    done = call(folder, "plan")
    assert done.returncode == 1 and "mend dvc.yaml or params.yaml" in done.stderr and "Traceback" not in done.stderr


# what nobody published


def unheard_of(settings: Plan) -> None:
    gpu = settings["profiles"]["gpu"]
    gpu["teach"]["models"][0]["name"] = "org/Unheard-Of"
    gpu["base"]["name"] = "org/Student"
    gpu["collect"]["sources"][0]["dataset"] = "org/Problems"


@pytest.fixture(scope="module")
def strange(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose teacher, student and problems nobody measured."""
    return copy_project(tmp_path_factory.mktemp("strange") / "project", unheard_of)


def test_what_is_not_known_is_said_and_asked_for_and_never_made_up(strange: Path) -> None:
    plan = first_planned(strange, "--profile", "gpu")
    assert {"problems", "rate.org/Unheard-Of", "rate.base", "rate.train", "parameters"} <= plan["not_known"].keys()
    assert stage(plan, "teach@medium")["gpu_hours"] == {"value": None, "basis": "unknown"}
    assert stage(plan, "collect")["problems"]["value"] is None
    assert "teach@medium" in plan["to_run"]["gpu_hours"]["without"]
    text = call(strange, "plan", "--profile", "gpu").stdout
    assert "Not known: say it with --assume problems=NUMBER" in text
    assert "?" in next(line for line in text.split("\n") if line.startswith("teach@medium"))


def test_what_is_assumed_fills_the_plan(strange: Path) -> None:
    said = ("problems=1000", "rate.org/Unheard-Of=100", "rate.base=100", "rate.train=100", "tokens.teach@medium=50")
    arguments = [word for each in (*said, "parameters=1e9", "tokens.teach@high=80") for word in ("--assume", each)]
    plan = first_planned(strange, "--profile", "gpu", *arguments)
    assert plan["not_known"] == {}
    assert stage(plan, "teach@medium")["tokens"] == {"value": 1000 * 4 * 50, "basis": "assumed"}
    assert value(plan, "teach@medium", "gpu_hours") == pytest.approx(1000 * 4 * 50 / 100 / 3600)
    assert value(plan, "train@turbo", "samples") <= 1000 * 4
    assert value(plan, "base", "outs_bytes") == 2e9


# after stages ran


def dvc(folder: Path, *arguments: str) -> None:
    with start_dvc(folder, *arguments) as process:
        said, _ = process.communicate(timeout=100)
    assert process.returncode == 0, said


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in which collect ran, and base and teach@medium left outs that DVC knows as theirs."""
    folder = copy_project(tmp_path_factory.mktemp("ran") / "project", lambda _: None)
    dvc(folder, "repro", "-q", "collect")
    save_tiny_model(folder / "models/base")
    table = pl.read_parquet(folder / "data/problems.parquet")
    # Two samples of the first ten problems: 30 tokens each, asked with 100.
    rows = [
        ("teacher", "medium", None, name, sample, f"{name}{sample}", None, "4", "stop", 100, 30, "fixed", None)
        for name in table["problem_id"][:10]
        for sample in range(2)
    ]
    traces = pl.DataFrame(rows, schema=TRACES, orient="row")
    tables.write_sorted([traces], folder / "data/traces/medium", TRACES, TRACES_KEY)
    dvc(folder, "commit", "-q", "-f", "base", "teach@medium")
    log = [
        {"stage": "teach@medium", "seconds": 90.0, "profile": "cpu"},
        {"stage": "teach@medium", "seconds": 2.0, "profile": "cpu"},
        {"stage": "teach@medium", "seconds": 7200.0, "profile": "reasonlite"},
    ]
    (folder / ".cache/stages.jsonl").write_text("".join(json.dumps(row) + "\n" for row in log) + '{"stage": "tea')
    return folder


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_stages_that_ran_are_cached_and_those_behind_them_run(ran: Path) -> None:
    plan = planned(ran)
    states = {each["stage"]: each["dvc"] for each in plan["stages"]}
    assert [name for name, state in states.items() if state == "cached"] == ["base", "collect", "teach@medium"]
    assert states["teach@high"] == "runs" and plan["to_run"]["num_stages"] == len(states) - 3
    assert stage(planned(ran, "--profile", "gpu"), "collect")["dvc"] == "runs"


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_lengths_are_those_of_this_profiles_answers_and_of_no_others(ran: Path) -> None:
    plan = planned(ran)
    assert stage(plan, "teach@medium")["tokens"] == {"value": 154 * 6 * 30, "basis": "measured"}
    assert stage(plan, "teach@high")["tokens"]["basis"] == "bound"
    assert stage(plan, "collect")["problems"] == {"value": 154, "basis": "measured"}
    assert stage(planned(ran, "--profile", "reasonlite"), "teach@medium")["tokens"]["basis"] == "prior"


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_what_happened_stands_beside_what_would_have_been_planned_before(ran: Path) -> None:
    found = {(each["stage"], each["field"]): (each["planned"], each["happened"]) for each in planned(ran)["happened"]}
    assert found["collect", "problems"] == ({"value": 154, "basis": "setting"}, 154)
    assert found["teach@medium", "samples"] == ({"value": 154 * 6, "basis": "setting"}, 20)
    assert found["teach@medium", "tokens"] == ({"value": 154 * 6 * 64, "basis": "bound"}, 600)
    assert found["teach@medium", "prompt_tokens"][1] == 2000
    assert found["teach@medium", "wall_hours"][1] == pytest.approx(90 / 3600), "the longest run of this profile"
    text = call(ran, "plan").stdout
    assert "What happened, and what would have been planned before" in text
    line = next(each for each in text.split("\n")[30:] if each.startswith("teach@medium"))
    assert line.split()[:5] == ["teach@medium", "924", "20", "<59.1K", "600"]
    assert planned(ran, "--profile", "gpu")["happened"] == []


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_the_hours_of_another_experiment_are_not_this_ones(ran: Path) -> None:
    log = ran / ".cache/stages.jsonl"
    before = log.read_text()
    try:
        for hours, settings in ((1, {"teach.medium": "of another"}), (2, {"train.turbo": "of another"})):
            row = {"stage": "teach@medium", "seconds": hours * 3600, "profile": "cpu", "settings": settings}
            log.write_text(log.read_text() + json.dumps(row) + "\n")
        found = {(each["stage"], each["field"]): each["happened"] for each in planned(ran)["happened"]}
    finally:
        log.write_text(before)
    assert found["teach@medium", "wall_hours"] == 2.0, "of what the stage depends on, the second run had the same"


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_a_setting_that_changed_is_named_and_only_what_it_touches_runs(
    ran: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (ran / "params.yaml").read_text()
    try:
        (ran / "params.yaml").write_text(before.replace("num_samples: 6", "num_samples: 8", 1))
        found = stage(planned(ran), "teach@medium")
        assert (found["dvc"], found["changed"]) == ("runs", ["profiles.cpu.teach.medium"])
        assert found["samples"]["value"] == 154 * 8
        assert stage(planned(ran), "collect")["dvc"] == "cached"
        # Of the answers that it would ask for, 100 are stored, of 40 tokens: what the run before wrote with other
        # settings, of 30, says less of them.
        monkeypatch.setenv("REASONLITE_STORE", str(tmp_path / "store"))
        fill(ran, 100, monkeypatch)
        found = stage(planned(ran), "teach@medium")
        assert found["samples"]["value"] == 154 * 8
        assert found["tokens"]["value"] == (154 * 8 - 100) * 40
    finally:
        (ran / "params.yaml").write_text(before)


def fill(folder: Path, num_answers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Store answers to the first of the queries that teach@medium would ask."""
    monkeypatch.chdir(folder)
    params.content.cache_clear()
    settings = params.load_profile("cpu")
    params.content.cache_clear()
    (model,), teach, prompt = settings.teach.models, settings.teach.by_effort["medium"], settings.prompts["medium"]
    served = from_settings("teacher", model.label, model, folder / "models/base")
    table = tables.read(folder / "data/problems.parquet", PROBLEMS).select(list(queries.PROBLEMS_IN))
    job = jobs.made("teacher", "medium", "medium", served, table, prompt, teach.sampling, teach.num_samples)
    asked = [query for each in job.queries() for query in each][:num_answers]
    with store.opened(served.collection, "medium") as answers:
        answers.put([(query.key, Answer("stop", "4", None, 9, 40, None)) for query in asked])


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_an_out_that_was_deleted_comes_back_from_the_cache_and_costs_nothing(ran: Path) -> None:
    traces = ran / "data/traces/medium"
    traces.rename(ran / "moved")
    try:
        plan = planned(ran)
        assert stage(plan, "teach@medium")["dvc"] == "restored"
        assert stage(plan, "collect")["dvc"] == "cached" and plan["to_run"]["num_stages"] == len(plan["stages"]) - 3
    finally:
        (ran / "moved").rename(traces)


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_settings_that_ran_before_come_from_the_run_cache(ran: Path) -> None:
    before, lock = (ran / "params.yaml").read_text(), (ran / "dvc.lock").read_text()
    try:
        (ran / "params.yaml").write_text(before.replace("num_samples: 6", "num_samples: 7", 1))
        assert stage(planned(ran), "teach@medium")["dvc"] == "runs"
        dvc(ran, "commit", "-q", "-f", "teach@medium")
        assert stage(planned(ran), "teach@medium")["dvc"] == "cached"
        (ran / "params.yaml").write_text(before)
        found = stage(planned(ran), "teach@medium")
        assert (found["dvc"], found["changed"]) == ("restored", ["profiles.cpu.teach.medium"])
    finally:
        (ran / "params.yaml").write_text(before)
        (ran / "dvc.lock").write_text(lock)


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_another_dvc_at_work_is_one_sentence(ran: Path) -> None:
    with (ran / ".dvc/tmp/lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        done = call(ran, "plan")
    assert done.returncode == 1 and "another dvc process is at work here" in done.stderr


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_planning_changes_no_file_of_the_project(ran: Path) -> None:
    def state() -> dict[Path, bytes]:
        files = (path for path in ran.rglob("*") if path.is_file() and ".dvc" not in path.parts)
        return {path: path.read_bytes() for path in files if ".git" not in path.parts and path.suffix != ".pyc"}

    before = state()
    for profile in PROFILES:
        planned(ran, "--profile", profile)
    assert state() == before
