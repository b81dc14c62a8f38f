"""Each setting that changes the work changes the plan, and what is said goes before what was measured or published."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from stages.core.planning.planning import Basis, Figure, Work
from stages.edge import params
from stages.edge.planning import evidence
from stages.edge.planning.evidence import AnswerStats
from stages.edge.planning.forecast import Forecast
from tests import projects

ROOT = Path(__file__).parents[3]
Settings = dict[str, Any]
STAGES = [
    *("base", "collect", "teach@medium", "teach@high", "vote@medium", "vote@high", "judge@medium", "judge@high"),
    *(
        "curate@turbo",
        "curate@final",
        "train@turbo",
        "train@final",
        "choose@turbo",
        "choose@final",
        "exam@base",
        "exam@turbo",
        "exam@final",
    ),
    *("baselines", "mark@base", "mark@turbo", "mark@final", "mark@baselines", "report"),
]
NUM_PROBLEMS = 53_000


def works(
    change: Callable[[Settings], object] = lambda _: None,
    found: evidence.Evidence = evidence.NONE,
    assumed: Mapping[str, float] | None = None,
    profile: str = "gpu",
    pooled: Sequence[str] = (),
) -> dict[str, Work]:
    document = yaml.safe_load((ROOT / "params.yaml").read_text())
    settings = document["profiles"][profile]
    change(settings)
    if pooled:
        projects.pool(document, *pooled)
    graph = params.Graph.model_validate({name: document[name] for name in params.Graph.model_fields})
    stages = [*STAGES, "vote@both"] if pooled else STAGES
    return Forecast(params.Profile.model_validate(settings), graph, found, assumed or {}).works(stages)


def judged_by_a_model(settings: Settings) -> None:
    model = {key: each for key, each in settings["teach"]["models"][0].items() if key != "label"}
    sampling = settings["teach"]["medium"]["sampling"]
    settings["judge"] = {
        "rounded_golds": True,
        "llm": {**model, "reasoning_effort": "low", "num_overlap": 0, "sampling": sampling},
    }


def published(settings: Settings) -> None:
    source = {"dataset": "amd/ReasonLite-Dataset", "config": None, "split": "medium", "revision": None}
    settings["curate"]["turbo"]["published"] = {**source, "messages": "messages"}
    settings["teach"]["medium"]["num_samples"] = settings["teach"]["high"]["num_samples"] = 0


def of_files(settings: Settings) -> None:
    source: dict[str, Any] = {"kind": "files", "name": "ours", "path": "a.jsonl", "columns": "math"}
    source |= {"where": {}, "published": None}
    settings["collect"]["sources"] = [source]


def given(figure: Figure | None) -> float:
    assert figure is not None and figure.value is not None
    return figure.value


def test_problems_that_may_get_fewer_samples_get_at_most_so_many() -> None:
    rule = {"start": 2, "step": 1, "confidence": 0.9, "hopeless_share": 0.5, "until_right": None}
    samples = works(lambda p: p["teach"]["medium"].update(adaptive=rule))["teach@medium"].samples
    assert samples is not None and (samples.value, samples.basis) == (NUM_PROBLEMS * 4, Basis.BOUND)


def test_an_exam_that_may_go_on_is_planned_with_the_most_samples_that_it_may_take() -> None:
    fixed = works(lambda p: None)["exam@final"].samples
    until = {"ci_width": 0.1, "max_samples": 64}
    found = works(lambda p: p["exam"]["protocol"].update(until=until))["exam@final"].samples
    assert fixed is not None and fixed.basis == Basis.SETTING and fixed.value is not None
    assert found is not None and (found.value, found.basis) == (fixed.value * 64 / 16, Basis.BOUND)


def test_nothing_is_asked_where_the_rows_are_published_ones() -> None:
    found = works(published)
    assert given(found["teach@medium"].samples) == given(found["teach@high"].gpu_hours) == 0
    assert given(found["curate@turbo"].samples) == 4.3e6
    assert given(found["train@turbo"].tokens) == pytest.approx(4.3e6 * 3_500 * 2)
    assert given(found["curate@final"].samples) == 0


def test_a_larger_budget_for_what_is_cut_off_raises_the_bound() -> None:
    def change(settings: Settings) -> None:
        settings["teach"]["models"][0]["name"] = "org/Unheard-Of"
        settings["teach"]["medium"]["max_tokens_when_cut_off"] = 20_000

    tokens = works(change)["teach@medium"].tokens
    assert tokens is not None and (tokens.value, tokens.basis) == (NUM_PROBLEMS * 4 * 20_000, Basis.BOUND)


def test_an_answer_is_never_longer_than_its_budget() -> None:
    found = works(lambda p: p["teach"]["high"]["sampling"].update(max_tokens=1_000))
    assert given(found["teach@high"].tokens) == NUM_PROBLEMS * 4 * 1_000


def test_every_teacher_is_asked() -> None:
    def change(settings: Settings) -> None:
        settings["teach"]["models"].append({**settings["teach"]["models"][0], "label": "second"})

    assert given(works(change)["teach@high"].samples) == 2 * NUM_PROBLEMS * 4


def test_targets_limit_rows_and_tokens() -> None:
    few = works(lambda p: p["curate"]["turbo"]["target"].update(num_rows=1_000))
    assert given(few["train@turbo"].samples) == 1_000
    assert given(few["train@turbo"].steps) == 16 * 2, "1,000 rows in steps of 64, two epochs"
    short = works(lambda p: p["curate"]["turbo"]["target"].update(num_tokens=1_000_000))
    assert given(short["curate@turbo"].tokens) == pytest.approx(1_000_000)


def test_a_mixture_of_efforts_takes_rows_of_both() -> None:
    mixture = {"medium": 1.0, "high": 0.5}
    one, both = works(), works(lambda p: p["curate"]["final"].update(mixture=mixture), pooled=["final"])
    medium, high = given(one["curate@turbo"].samples), given(one["curate@final"].samples)
    assert given(both["curate@final"].samples) == pytest.approx(medium + high / 2)


def test_pooled_votes_read_the_answers_of_both_efforts() -> None:
    found = works(pooled=["final"])
    assert given(found["vote@both"].samples) == NUM_PROBLEMS * 8
    assert given(found["vote@medium"].samples) == NUM_PROBLEMS * 4


def test_only_baselines_that_are_examined_are_counted() -> None:
    def examined(names: list[str]) -> Any:
        return works(lambda p: p.update(examine=names), profile="reasonlite")["baselines"]

    none, every = examined([]), examined(["all"])
    assert given(none.samples) == given(none.gpu_hours) == 0
    assert given(every.samples) == 163 * 16 * 13, "the teacher at two efforts and eleven others"
    assert every.gpu_hours is not None and "rate.Qwen/Qwen2.5-14B" in every.gpu_hours.missing


@pytest.mark.parametrize(
    ("change", "stage", "missing"),
    [
        (judged_by_a_model, "judge@medium", "hours.judge"),
        (lambda p: p["runtime"].update(compile=False), "train@turbo", "rate.train"),
        (lambda p: p["runtime"]["engine"].update(tensor_parallel_size=4), "teach@high", "rate.openai/gpt-oss-20b"),
        (of_files, "teach@high", "problems"),
    ],
)
def test_what_was_never_measured_is_not_known(change: Callable[[Settings], object], stage: str, missing: str) -> None:
    hours = works(change)[stage].gpu_hours
    assert hours is not None and hours.value is None and missing in hours.missing


def test_what_is_said_goes_before_what_was_measured_and_that_before_what_is_published() -> None:
    def tokens(found: evidence.Evidence, assumed: Mapping[str, float]) -> Figure | None:
        return works(found=found, assumed=assumed)["teach@medium"].tokens

    ran = evidence.NONE._replace(answers={"teach@medium": {("teacher", "medium"): AnswerStats(8, 100.0, 2_000.0)}})
    asked = NUM_PROBLEMS * 4
    for found, assumed, mean, basis in (
        (evidence.NONE, {}, 3_500, Basis.PRIOR),
        (ran, {}, 2_000, Basis.PRIOR),  # the number of problems is still a published one
        (ran, {"tokens.teach@medium": 50, "problems": NUM_PROBLEMS}, 50, Basis.ASSUMED),
    ):
        figure = tokens(found, assumed)
        assert figure is not None and (figure.value, figure.basis) == (asked * mean, basis)


def test_rows_of_a_run_tell_the_share_that_is_kept_of_more_answers() -> None:
    metrics = {"curate@turbo": {"num_traces": 1_000, "num_rows": 250, "num_tokens": 500_000}}
    found = works(found=evidence.NONE._replace(metrics=metrics))
    assert given(found["train@turbo"].samples) == NUM_PROBLEMS * 4 / 4
    assert given(found["train@turbo"].tokens) == NUM_PROBLEMS * 2_000 * 2
