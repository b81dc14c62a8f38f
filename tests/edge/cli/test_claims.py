"""A claim is held by one process, outlives no death, and on a network disk can be lost."""

import os
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import psutil
import pytest

from stages.edge.cli import claims
from stages.edge.errors import ClaimLostError

ROOT = Path(__file__).parents[3]
HOLDER = """
import sys, time
from pathlib import Path
from stages.edge.cli import claims
claims.LEASE_SECONDS = 1.2
with claims.held(Path(sys.argv[1]), "works", leased=sys.argv[2] == "lease"):
    print("held", flush=True)
    time.sleep(float(sys.argv[3]))
"""
KINDS = pytest.mark.parametrize("kind", ["lock", "lease"])


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "LEASE_SECONDS", 1.2)


def holder(path: Path, kind: str, seconds: float) -> "subprocess.Popen[str]":
    run = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path), kind, str(seconds)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert run.stdout is not None and run.stdout.readline() == "held\n"
    return run


@KINDS
def test_a_second_process_waits_and_says_so(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = holder(tmp_path / "claim", kind, 3)
    started = time.monotonic()
    with claims.held(tmp_path / "claim", "fills it", leased=kind == "lease"):
        assert time.monotonic() - started > 1.5
    assert run.wait(20) == 0
    assert capsys.readouterr().err == "waiting for another process that fills it\n"


@KINDS
def test_the_claim_of_a_killed_process_is_free(kind: str, tmp_path: Path) -> None:
    run = holder(tmp_path / "claim", kind, 600)
    run.send_signal(signal.SIGKILL)
    run.wait()
    with claims.held(tmp_path / "claim", "fills it", leased=kind == "lease") as check:
        check()


@KINDS
def test_a_claim_is_free_when_its_block_ends_in_an_error(kind: str, tmp_path: Path) -> None:
    for _ in range(2):
        with pytest.raises(ValueError), claims.held(tmp_path / "claim", "fills it", leased=kind == "lease"):
            raise ValueError


def test_a_living_holder_keeps_its_lease_longer_than_a_lease_lasts(tmp_path: Path) -> None:
    run = holder(tmp_path / "claim", "lease", 4)
    started = time.monotonic()
    with claims.held(tmp_path / "claim", "fills it", leased=True):
        assert time.monotonic() - started > 3
        assert run.wait(20) == 0


def test_who_was_stopped_for_longer_than_the_lease_learns_that_it_is_lost(tmp_path: Path) -> None:
    with claims.held(tmp_path / "claim", "fills it", leased=True) as check:
        (tmp_path / "claim.lease").write_text("another machine")
        time.sleep(1)
        with pytest.raises(ClaimLostError, match="another process took over"):
            check()
    assert (tmp_path / "claim.lease").read_text() == "another machine", "what is not ours stays"


def test_of_many_that_wait_for_a_dead_holder_one_at_a_time_gets_the_lease(tmp_path: Path) -> None:
    (tmp_path / "claim.lease").write_text("dead")
    code = HOLDER.replace('print("held", flush=True)', "print(time.time(), flush=True)").replace(
        "time.sleep(float(sys.argv[3]))", "time.sleep(0.5); print(time.time(), flush=True)"
    )
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path / "claim"), "lease", "0"],
            env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, text=True,
        )
        for _ in range(4)
    ]  # fmt: skip
    spans = sorted(tuple(map(float, run.communicate(timeout=60)[0].split())) for run in runs)
    assert len(spans) == 4
    assert all(earlier[1] <= later[0] for earlier, later in pairwise(spans))


@KINDS
def test_a_claim_that_is_taken_is_not_waited_for_where_nobody_wants_to(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "is_on_network", lambda folder: kind == "lease")
    with claims.held_if_free(tmp_path / "claim") as ours:
        assert ours
    run = holder(tmp_path / "claim", kind, 600)
    with claims.held_if_free(tmp_path / "claim") as ours:
        assert not ours
    run.kill()
    run.wait()


def test_a_lease_whose_holder_is_long_dead_is_taken_also_by_who_does_not_wait_for_the_living(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "is_on_network", lambda folder: True)
    lease = tmp_path / "claim.lease"
    lease.write_text("dead")
    with claims.held_if_free(tmp_path / "claim") as ours:
        assert not ours, "its holder may just be about to renew it"
    long_ago = time.time() - 2 * claims.LEASES_TO_BE_DEAD * claims.LEASE_SECONDS
    os.utime(lease, (long_ago, long_ago))
    with claims.held_if_free(tmp_path / "claim") as ours:
        assert ours
    assert [path.name for path in tmp_path.iterdir()] == []


def test_a_disk_that_is_away_for_a_moment_does_not_end_the_renewal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, faults = claims._read, [OSError(116, "Stale file handle")] * 2

    def sometimes(path: Path) -> str | None:
        if faults:
            raise faults.pop()
        return read(path)

    with claims.held(tmp_path / "claim", "fills it", leased=True) as check:
        monkeypatch.setattr(claims, "_read", sometimes)
        time.sleep(claims.LEASE_SECONDS)
        assert not faults
        check()


def test_a_claim_that_could_not_be_renewed_for_a_lease_is_lost_whoever_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(path: Path) -> str | None:
        raise OSError(5, "Input/output error")

    with claims.held(tmp_path / "claim", "fills it", leased=True) as check:
        monkeypatch.setattr(claims, "_read", away)
        time.sleep(claims.LEASE_SECONDS * 1.2)
        with pytest.raises(ClaimLostError):
            check()


def test_network_disks_are_told_by_the_innermost_mount(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inner = tmp_path / "with space"
    inner.mkdir()
    escaped = str(inner).replace(" ", "\\040")
    (tmp_path / "self").mkdir()
    monkeypatch.setattr(psutil, "PROCFS_PATH", str(tmp_path))
    assert not claims.is_on_network(tmp_path), "the system does not say"
    (tmp_path / "self/mounts").write_text(
        f"disk / ext4 rw 0 0\nserver:/x {tmp_path} nfs4 rw 0 0\ntmp {escaped} tmpfs rw 0 0\n"
    )
    assert claims.is_on_network(tmp_path)
    assert not claims.is_on_network(inner)
    assert not claims.is_on_network(Path("/"))
