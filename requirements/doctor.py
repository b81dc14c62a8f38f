"""What this machine has of what the project needs: one line each, with the next step for what is missing.

    python3.11 requirements/doctor.py          # a table; exit code 2 if something is missing that `make repro` needs
    python3.11 requirements/doctor.py --build gpu

Standard library only: it runs before anything is installed. `make doctor` calls it.
"""

import argparse
import ctypes
import importlib.util
import os
import platform
import resource
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parents[1]
GIB = 1024**3
DISK_GIB, GPU_DISK_GIB = 8, 20
"""For the environment, and what the cpu profile writes beside it."""
MEMORY_GIB = 8
FILES = 1024
"""Open files: each request in flight is one, and each worker has a few."""
SECONDS_TO_CONNECT = 3.0


class Finding(NamedTuple):
    """One line of the table."""

    name: str
    has: str
    is_well: bool
    is_needed: bool
    """Whether `make repro` fails without it; else it is slower, or offers less."""
    step: str
    """What to do where it is not well."""


def python() -> Finding:
    """The version that the locks are made for, with the modules that make environments."""
    step = "install Python 3.11, or name one: make repro PYTHON=/path/to/python3.11"
    if sys.version_info[:2] != (3, 11):
        return Finding("Python", platform.python_version(), False, True, step)
    if not (importlib.util.find_spec("ensurepip") and importlib.util.find_spec("venv")):
        step = "install its venv package (Debian, Ubuntu: apt install python3.11-venv)"
        return Finding("Python", f"{platform.python_version()}, which cannot make environments", False, True, step)
    return Finding("Python", platform.python_version(), True, True, "")


def repository() -> Finding:
    """Whether git sees a repository here: DVC works in one."""
    command = ["git", "rev-parse", "--is-inside-work-tree"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    step = "clone the project, or run git init"
    return Finding("repository", "there" if not done.returncode else "none", not done.returncode, True, step)


def system() -> Finding:
    """The system that the engine's build is for."""
    name = f"{platform.system()} {platform.machine()}"
    step = "the engine is built for Linux x86_64: name a server that has the models in OPENAI_BASE_URL"
    return Finding("system", name, name == "Linux x86_64" or bool(os.environ.get("OPENAI_BASE_URL")), True, step)


def program(name: str, package: str) -> Finding:
    """A program on PATH."""
    path = shutil.which(name)
    return Finding(name, path or "none", path is not None, True, f"install it (Debian, Ubuntu: apt install {package})")


def library(name: str, package: str) -> Finding:
    """A shared library."""
    try:
        ctypes.CDLL(name)
    except OSError:
        return Finding(name, "none", False, True, f"install it (Debian, Ubuntu: apt install {package})")
    return Finding(name, "there", True, True, "")


def processor(build: str) -> Finding:
    """The instructions that vLLM's CPU build is compiled for, and those that make it faster."""
    flags = set(_file("/proc/cpuinfo").partition("flags")[2].partition("\n")[0].split())
    known = [name for name in ("avx2", "avx512f", "avx512_bf16", "amx_tile") if name in flags]
    step = "the engine's build needs AVX2: name a server that has the models in OPENAI_BASE_URL"
    is_well = "avx2" in flags or build == "gpu" or bool(os.environ.get("OPENAI_BASE_URL"))
    return Finding("processor", f"{cores()} cores, {' '.join(known) or 'no AVX2'}", is_well, True, step)


def cores() -> float:
    """Processor cores that this process may use: its affinity, less where a cgroup has a quota of time."""
    allowed = float(len(os.sched_getaffinity(0))) if hasattr(os, "sched_getaffinity") else float(os.cpu_count() or 1)
    quota, _, period = _file("/sys/fs/cgroup/cpu.max").partition(" ")
    if quota.isdigit() and period.strip().isdigit():
        allowed = min(allowed, int(quota) / int(period))
    return round(allowed, 1)


def memory() -> Finding:
    """Free memory: of the machine, or of the cgroup where that has a limit."""
    lines = dict(line.split(":", 1) for line in _file("/proc/meminfo").splitlines() if ":" in line)
    free = int(lines.get("MemAvailable", "0 kB").split()[0]) * 1024
    limit, used = _file("/sys/fs/cgroup/memory.max").strip(), _file("/sys/fs/cgroup/memory.current").strip()
    if limit.isdigit() and used.isdigit():
        free = min(free, int(limit) - int(used))
    step = f"the cpu profile takes up to {MEMORY_GIB} GiB: end other programs"
    return Finding("free memory", f"{free / GIB:.1f} GiB", free >= 0.75 * MEMORY_GIB * GIB, False, step)


def disk(build: str) -> Finding:
    """Room for the environment and the outs, where the project lies."""
    free = shutil.disk_usage(ROOT).free
    wanted = GPU_DISK_GIB if build == "gpu" else DISK_GIB
    is_installed = (ROOT / ".venv/.installed").exists()
    wanted = 2 if is_installed else wanted
    step = f"{wanted} GiB are needed here: make room, or clone the project to a larger disk"
    return Finding("free disk", f"{free / GIB:.1f} GiB", free >= wanted * GIB, True, step)


def gpu(build: str) -> Finding:
    """GPUs and their driver, as nvidia-smi or rocm-smi lists them."""
    query = ["nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
    for command in (query, ["rocm-smi", "--showproductname", "--csv"]):
        if shutil.which(command[0]):
            done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
            names = [line for line in done.stdout.splitlines() if line.strip()]
            if not done.returncode and names:
                return Finding("GPU", f"{len(names)} x {names[0]}", True, False, "")
            return Finding("GPU", "the driver does not answer", False, False, f"see what {command[0]} says")
    step = "the profiles above cpu need one; with one: export BUILD=gpu"
    return Finding("GPU", "none", build != "gpu", False, step)  # the build may be installed where none is


def network() -> Finding:
    """Whether the package index can be reached. Everything else the cpu profile has with it."""
    index = os.environ.get("PIP_INDEX_URL") or "https://pypi.org"
    place = urlsplit(index)
    is_installed = (ROOT / ".venv/.installed").exists()
    step = "the installation needs a package index (PIP_INDEX_URL, or pip's own settings); afterwards none is needed"
    try:
        with socket.create_connection((place.hostname or "", place.port or 443), timeout=SECONDS_TO_CONNECT):
            return Finding("network", place.hostname or index, True, False, step)
    except OSError:
        return Finding("network", f"{place.hostname} does not answer", is_installed, False, step)


def open_files() -> Finding:
    """The limit on open files of a process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    step = f"ulimit -n {FILES if hard == resource.RLIM_INFINITY else min(hard, 65536)}"
    return Finding("open files", str(soft), soft >= FILES, False, step)


def findings(build: str) -> list[Finding]:
    """All lines of the table; what cannot be found out is a line that says so."""
    # Our own engine for processors needs it; a server that is named, or the build for GPUs, does not.
    is_own = build != "gpu" and not os.environ.get("OPENAI_BASE_URL")
    libraries: list[Callable[[], Finding]] = [lambda: library("libnuma.so.1", "libnuma1")] if is_own else []
    checks: Sequence[tuple[str, Callable[[], Finding]]] = [
        ("Python", python), ("system", system), ("git", lambda: program("git", "git")),
        ("g++", lambda: program("g++", "g++")), *(("libnuma.so.1", check) for check in libraries),
        ("processor", lambda: processor(build)), ("free memory", memory), ("free disk", lambda: disk(build)),
        ("GPU", lambda: gpu(build)), ("network", network), ("open files", open_files),
    ]  # fmt: skip
    found = []
    for name, check in checks:
        try:
            found.append(check())
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            found.append(Finding(name, f"unknown ({error})", True, False, ""))
    return found


def table(found: Sequence[Finding]) -> str:
    """The lines as text: a mark, the name, what is there, and the next step where something is missing."""
    names, values = (
        max(len(each) for each in column) for column in zip(*((f.name, f.has) for f in found), strict=True)
    )
    lines = []
    for each in found:
        mark = "ok     " if each.is_well else "MISSING" if each.is_needed else "note   "
        lines.append(
            f"{mark} {each.name.ljust(names)}  {each.has.ljust(values)}  {'' if each.is_well else each.step}".rstrip()
        )
    return "\n".join(lines)


def _file(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", choices=["cpu", "gpu"], default=os.environ.get("BUILD", "cpu"))
    parser.add_argument("--only-missing", action="store_true", help="only lines of what `make repro` fails without")
    args = parser.parse_args()
    found = findings(args.build)
    missing = [each for each in found if not each.is_well and each.is_needed]
    shown = missing if args.only_missing else found
    if shown:
        print(table(shown), file=sys.stderr if args.only_missing else sys.stdout)
    if missing:
        print("\n`make repro` cannot work until what is MISSING is there.", file=sys.stderr)
        sys.exit(2)
    if not args.only_missing:
        print("\n`make repro` can start.")


if __name__ == "__main__":
    main()
