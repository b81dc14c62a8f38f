"""What dvc.yaml and dvc.lock say."""

from pathlib import Path

from stages.edge.files import lockfile

DECLARED = """
stages:
  collect: {cmd: x}
  teach: {foreach: "${efforts}", do: {cmd: x}}
  mark: {foreach: [base, turbo], do: {cmd: x}}
  vote: {foreach: {medium: {a: 1}, high: {a: 2}}, do: {cmd: x}}
"""


def test_stages_are_declared_one_by_one_also_those_of_a_list_in_the_settings(tmp_path: Path) -> None:
    (tmp_path / "dvc.yaml").write_text(DECLARED)
    (tmp_path / "params.yaml").write_text("efforts: {low: {}, high: {}}\n")
    assert lockfile.declared(tmp_path) == {
        *("collect", "teach@low", "teach@high", "mark@base", "mark@turbo", "vote@medium", "vote@high")
    }


def test_the_projects_own_stages_are_those_of_its_lock() -> None:
    root = Path(__file__).parents[3]
    assert lockfile.declared(root) == set(lockfile.read(root))


def test_without_a_pipeline_nothing_is_declared(tmp_path: Path) -> None:
    assert lockfile.declared(tmp_path) == set()


def test_settings_are_those_of_the_graph_and_of_the_chosen_profile_each_once() -> None:
    text = """
    profile: cpu
    sft: &sft {turbo: {effort: medium}}
    pools: {}
    students: {base: {}, <<: *sft}
    profiles: {cpu: {train: {rate: 1e-04}}, gpu: {train: {rate: 1}}}
    """
    wanted = {"profile": "cpu", "sft.turbo.effort": "medium", "pools": {}, "train.rate": 1e-4}
    assert lockfile.settings(text) == wanted
