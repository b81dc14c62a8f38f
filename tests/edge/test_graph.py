"""The graph at the top of params.yaml: what it says, and that what cannot run is refused before any work."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from stages.edge import params
from stages.edge.errors import SettingError
from tests.projects import ROOT, add_own_effort, add_stage, link, pool

Change = Callable[[dict[str, Any]], object]
SECTIONS = (("curate", "final"), ("train", "final"), ("exam.overrides", "final"), ("teach", "high"))


@pytest.fixture
def read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Change], params.Graph]:
    """The graph of this project's params.yaml after a change, once a whole profile was read with it."""

    def graph(change: Change) -> params.Graph:
        document = yaml.safe_load((ROOT / "params.yaml").read_text())
        document["profiles"] = {"cpu": document["profiles"]["cpu"]}
        change(document)
        (tmp_path / "params.yaml").write_text(yaml.safe_dump(document, sort_keys=False))
        monkeypatch.chdir(tmp_path)
        params.content.cache_clear()
        try:
            params.load(params.Base, "base")
            return params.graph()
        finally:
            params.content.cache_clear()

    return graph


def test_students_are_in_the_order_of_the_chain_wherever_their_entries_stand(read: Any) -> None:
    def turned(document: dict[str, Any]) -> None:
        document["sft"] = dict(reversed(document["sft"].items()))
        link(document)

    assert read(turned).chain == ["base", "turbo", "final"]


def test_a_student_may_teach_an_effort_from_which_a_later_one_learns(read: Any) -> None:
    def polished(document: dict[str, Any]) -> None:
        add_own_effort(document, "final")
        add_stage(document, "polish", effort="own", init="final", after="final")

    graph = read(polished)
    assert graph.chain == ["base", "turbo", "final", "polish"] and set(graph.efforts) == {"medium", "high", "own"}


def test_a_pool_has_the_efforts_that_are_in_it_and_in_its_pools(read: Any) -> None:
    def pooled(document: dict[str, Any]) -> None:
        add_own_effort(document, "base")
        pool(document)
        document["pools"]["all"] = {"first": "both", "second": "own"}
        link(document)

    graph = read(pooled)
    assert graph.members("all") == ["medium", "high", "own"] and graph.members("high") == ["high"]


def _closed(document: dict[str, Any]) -> None:
    add_own_effort(document, "final")
    document["sft"]["turbo"]["effort"] = "own"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda d: d["sft"]["final"].update(effort="hihg"), "sft.final.effort is 'hihg', which is none of the efforts ['medium', 'high']"),
        (lambda d: d["sft"]["final"].update(init="tubo"), "sft.final.init is 'tubo', which is none of the students ['base', 'turbo', 'final']"),
        (lambda d: d["sft"]["final"].update(after="tubo"), "sft.final.after is 'tubo'"),
        (lambda d: d["sft"]["final"].pop("after"), "sft.final.after: Field required"),
        (lambda d: d["teachers"]["high"].update(model="fianl"), "teachers.high.model is 'fianl'"),
        (lambda d: d["pools"].update(both={"first": "medium", "second": "low"}), "pools.both.second is 'low'"),
        (lambda d: d["pools"].update(both={"first": "high", "second": "high"}), "pools.both has the effort 'high' twice"),
        (lambda d: d["pools"].update(high={"first": "medium", "second": "high"}), "teachers and pools both have 'high'"),
        (lambda d: d["sft"].update(base=d["sft"]["final"]), "sft has a stage 'base'"),
        (lambda d: d.update(last="fianl"), "last is 'fianl'"),
        (lambda d: d.pop("last"), "last: Field required"),
        (lambda d: d.update(last="turbo"), "last is 'turbo', whose chain of `after` does not reach 'final'"),
        (lambda d: d["sft"]["turbo"].update(after="final"), "leads back to 'final': the chain of `after` must begin at 'base'"),
        (lambda d: d["sft"]["turbo"].update(init="final"), "the graph has a ring, in which each needs the next: student turbo <- student final <- student turbo"),
        (_closed, "effort own <- student final <- student turbo <- effort own"),
        (lambda d: d["efforts"].update(low={}), "efforts has ['high', 'low', 'medium'] and must have ['high', 'medium']: write efforts: {<<: [*teachers, *pools]}"),
        (lambda d: d["students"].pop("final"), "students has ['base', 'turbo'] and must have"),
        (lambda d: d["marked"].pop("baselines"), "marked has ['base', 'final', 'turbo'] and must have"),
    ],
)  # fmt: skip
def test_a_graph_that_cannot_run_is_refused(change: Change, told: str, read: Any) -> None:
    with pytest.raises(SettingError) as error:
        read(change)
    assert told in str(error.value)


@pytest.mark.parametrize(("section", "name"), SECTIONS)
def test_a_name_of_the_graph_needs_its_section_in_the_profile(section: str, name: str, read: Any) -> None:
    def without(document: dict[str, Any]) -> None:
        part = document["profiles"]["cpu"]
        for key in section.split("."):
            part = part[key]
        del part[name]
        document["profiles"]["cpu"]["baselines"] = []

    with pytest.raises(SettingError, match=rf"{section}.*{name}"):
        read(without)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            lambda d: d["profiles"]["cpu"]["curate"]["final"].update(mixture={"medium": 1.0}),
            "curate.final.mixture names ['medium'], but sft.final.effort is 'high', which has the traces of ['high']",
        ),
        (lambda d: d["teachers"]["high"].update(model="turbo"), "'high' is taught by 'base', and teachers.high.model is 'turbo': make them the same"),
        (
            lambda d: d["profiles"]["cpu"]["teach"]["models"][0].update(name="turbo"),
            "'medium' is taught by 'turbo', and teachers.medium.model is 'base'",
        ),
        (
            lambda d: d["profiles"]["cpu"]["baselines"][0]["model"].update(name="final"),
            "baselines.0.model.name is 'final', a student",
        ),
        (
            lambda d: d["profiles"]["cpu"]["vote"].update(pool_efforts=True),
            "vote.pool_efforts: Extra inputs are not permitted (found True): a pool is now an entry of `pools` at the top",
        ),
        (
            lambda d: d["profiles"]["cpu"]["teach"]["high"].update(suffix=None),
            "teach.high.suffix: Extra inputs are not permitted (found None): it now stands in prompts, by effort",
        ),
    ],
)  # fmt: skip
def test_a_profile_that_does_not_fit_the_graph_says_what_to_set(change: Change, told: str, read: Any) -> None:
    with pytest.raises(SettingError) as error:
        read(change)
    assert told in str(error.value)
