"""What a run left, as far as it is there."""

from pathlib import Path

import pytest
import yaml

from stages.edge import params
from stages.edge.files import lockfile
from stages.edge.planning import evidence
from stages.edge.planning.repro_state import Stage, Verdict

ROOT = Path(__file__).parents[3]
SETTINGS = params.Profile.model_validate(yaml.safe_load((ROOT / "params.yaml").read_text())["profiles"]["cpu"])


@pytest.mark.parametrize(("missing", "counted"), [((), {"vote@high": 30}), (("data/votes.parquet",), {})])
def test_bytes_are_counted_of_a_stage_whose_outs_are_all_there(
    missing: tuple[str, ...], counted: dict[str, int], tmp_path: Path
) -> None:
    sizes = {"data/votes.parquet": 20, "metrics/vote.csv": 10}
    for name, size in sizes.items():
        (tmp_path / name).parent.mkdir()
        if name not in missing:
            (tmp_path / name).write_bytes(b"x" * size)
    entry = {
        "outs": [{"path": name, "md5": "m"} for name in sizes],
        "params": {"params.yaml": {"profiles.cpu.vote": 1}},
    }
    (tmp_path / "dvc.lock").write_text(yaml.safe_dump({"stages": {"vote@high": entry}}))
    stages = {"vote@high": Stage(Verdict.RESTORED, (), tuple(tmp_path / name for name in sizes))}
    assert evidence.gather(tmp_path, "cpu", SETTINGS, stages).out_bytes == counted


@pytest.mark.parametrize(
    ("changed", "is_told"),
    [
        ((), True),
        (("stages/core/problems/intake.py",), True),
        (("profiles.cpu.collect",), False),
        (("profiles.gpu.x",), True),
    ],
)
def test_what_other_settings_left_is_no_measurement_of_the_present_ones(
    changed: tuple[str, ...], is_told: bool, tmp_path: Path
) -> None:
    out = tmp_path / "metrics/collect.json"
    out.parent.mkdir()
    out.write_text('{"num_problems": 154}')
    entry = {
        "outs": [{"path": "metrics/collect.json", "md5": lockfile.md5(out)}],
        "params": {"params.yaml": {"profiles.cpu.collect": 1}},
    }
    (tmp_path / "dvc.lock").write_text(yaml.safe_dump({"stages": {"collect": entry}}))
    stages = {"collect": Stage(Verdict.RUNS, changed, (out,))}
    found = evidence.gather(tmp_path, "cpu", SETTINGS, stages)
    assert found.metrics == ({"collect": {"num_problems": 154}} if is_told else {})
