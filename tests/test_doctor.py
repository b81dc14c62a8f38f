"""`make doctor`: what is missing on a machine has its line and its next step."""

import shutil
import socket
import subprocess
import sys
from collections import namedtuple

import pytest

from requirements import doctor
from tests.projects import ROOT

Usage = namedtuple("Usage", "total used free")


def line(name: str, build: str = "cpu") -> doctor.Finding:
    (found,) = (each for each in doctor.findings(build) if each.name == name)
    return found


def test_this_machine_can_run_the_project_and_every_line_has_a_value() -> None:
    done = subprocess.run(
        [sys.executable, "requirements/doctor.py"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.rstrip().endswith("`make repro` can start.")
    rows = [row for row in done.stdout.splitlines() if row[:7].strip() in ("ok", "note")]
    assert len(rows) == len(doctor.findings("cpu"))


def test_a_missing_compiler_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    found = line("g++")
    assert not found.is_well and found.is_needed
    assert "MISSING g++" in doctor.table([found]) and "apt install g++" in doctor.table([found])


def test_a_full_disk_is_told_with_what_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10 * doctor.GIB, 9 * doctor.GIB, doctor.GIB))
    found = line("free disk")
    assert (found.has, found.is_well, found.is_needed) == ("1.0 GiB", False, True)
    assert "GiB are needed here: make room" in found.step


@pytest.mark.parametrize(("server", "is_well"), [("", False), ("http://127.0.0.1:8000/v1", True)])
def test_without_avx2_a_server_is_needed(server: str, is_well: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", server)
    monkeypatch.setattr(doctor, "_file", lambda path: "flags : fpu sse4_2 avx\n" if path == "/proc/cpuinfo" else "")
    found = line("processor")
    assert found.is_well == is_well and "no AVX2" in found.has
    assert "OPENAI_BASE_URL" in found.step


def test_no_network_is_no_fault_once_everything_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("unreachable")

    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setenv("PIP_INDEX_URL", "https://index.example/simple")
    found = line("network")
    assert found.has == "index.example does not answer" and not found.is_needed
    assert found.is_well == (ROOT / ".venv/.installed").exists()


def test_the_build_for_gpus_may_be_installed_where_there_is_none_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None if name.endswith("-smi") else "/usr/bin/" + name)
    assert line("GPU", "cpu").is_well
    assert not line("GPU", "gpu").is_well and not line("GPU", "gpu").is_needed


@pytest.mark.parametrize(("quota", "expected"), [("max 100000", None), ("50000 100000", 0.5)])
def test_a_quota_of_processor_time_counts(quota: str, expected: float | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_file", lambda path: quota if path.endswith("cpu.max") else "")
    assert doctor.cores() == expected if expected else doctor.cores() >= 1


def test_only_what_is_missing_is_shown_before_an_installation(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["doctor.py", "--only-missing"])
    doctor.main()
    assert capsys.readouterr() == ("", "")
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(SystemExit) as ended:
        doctor.main()
    assert ended.value.code == 2
    assert "apt install g++" in capsys.readouterr().err


def test_a_server_that_is_named_needs_no_library_of_our_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    assert "libnuma.so.1" in [each.name for each in doctor.findings("cpu")]
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:8000/v1")
    assert "libnuma.so.1" not in [each.name for each in doctor.findings("cpu")]
