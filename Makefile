# The two commands:  make repro   make test
#
# Settings, as `make repro NAME=value` or from the environment:
#   PYTHON           a Python 3.11 to make .venv with
#   BUILD            cpu (default) or gpu: which lock .venv is made from; on a machine with GPUs: export BUILD=gpu
#   TEST_PROCESSES   test files that run at once (2)
#   ARGS             more arguments for `dvc repro` or pytest, e.g. make repro ARGS=train@turbo, make test-fast ARGS="-k voting"
#   TORCH_INDEX_URL  package index with the CPU build of torch; empty: only pip's own indexes
PYTHON ?= python3.11
BUILD ?= cpu
TEST_PROCESSES ?= 2
ARGS ?=

VENV_PATH := PATH="$(CURDIR)/.venv/bin:$$PATH"
# A file's tests stay together, for they share what is dear to make.
AT_ONCE := -n $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder
DVC := $(VENV_PATH) DVC_NO_ANALYTICS=1 dvc

.DEFAULT_GOAL := help
.PHONY: help repro results test test-fast coverage lint format check environment audit doctor notebooks lock clean

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 12

repro: environment  ## the whole pipeline, from problems to the result table; only what changed runs again
	@rm -f .cache/last_error
	@# DVC's own lines follow the sentence of a stage that failed: it is shown once more at the end.
	@$(DVC) repro $(ARGS) || { status=$$?; cat .cache/last_error 2>/dev/null >&2; exit $$status; }
	@$(VENV_PATH) python -m stages.edge.track
	@$(VENV_PATH) python -m stages.edge.cli

results:  ## the table of results of the last run, and what it changed against the run before it
	@cat metrics/results.md 2>/dev/null || { echo "there are no results yet: make repro" >&2; exit 2; }
	@$(VENV_PATH) python -m stages.compare || true
	@echo "All of it, with every trace: metrics/report.html"

test: lint  ## every test, with style and types
	@$(VENV_PATH) python -m pytest $(AT_ONCE) $(ARGS)

test-fast: lint  ## the tests that take no engine, training or DVC run
	@$(VENV_PATH) python -m pytest $(AT_ONCE) -m "not slow" $(ARGS)

coverage: environment  ## lines and branches of stages/core that the fast tests reach (information: it never fails)
	@$(VENV_PATH) python -m pytest $(AT_ONCE) -m "not slow" --cov=stages/core --cov-report=term $(ARGS)

lint: environment  ## style and types
	@$(VENV_PATH) ruff check
	@$(VENV_PATH) ruff format --check
	@$(VENV_PATH) mypy

format: environment  ## put style right where ruff can
	@$(VENV_PATH) ruff check --fix
	@$(VENV_PATH) ruff format

environment: check  ## .venv, made from requirements/cpu.lock, or with BUILD=gpu from gpu.lock
	@$(PYTHON) requirements/environment.py install $(BUILD)

check:  ## what must be on the machine
	@command -v "$(PYTHON)" >/dev/null || \
	    { echo "$(PYTHON) was not found: install Python 3.11 or name one, as in: make repro PYTHON=/path/to/python3.11" >&2; exit 2; }
	@"$(PYTHON)" requirements/doctor.py --build $(BUILD) --only-missing

doctor:  ## what this machine has of what the project needs, and the next step for what is missing
	@"$(PYTHON)" requirements/doctor.py --build $(BUILD)

audit: environment  ## licences of the packages, and their known vulnerabilities (information: it never fails)
	@$(VENV_PATH) python requirements/audit.py

notebooks: environment  ## open the notebooks in a browser (JupyterLab, fetched on first use, with the kernel of .venv)
	@$(VENV_PATH) python -m ipykernel install --prefix .cache/jupyter --name python3 --display-name reasonlite >/dev/null 2>&1
	@$(VENV_PATH) JUPYTER_PATH="$(CURDIR)/.cache/jupyter/share/jupyter" \
	    uv tool run --python "$(PYTHON)" --from jupyterlab jupyter-lab notebooks $(ARGS)

lock: environment  ## newer packages: resolve pyproject.toml anew (KEEP=1: only what pyproject.toml makes necessary)
	@$(PYTHON) requirements/environment.py lock $(if $(KEEP),keep)

clean:  ## remove .venv and the caches of the tools; data, models, answers and DVC's cache stay
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage htmlcov build *.egg-info
	rm -rf requirements/vllm-shim/build requirements/vllm-shim/*.egg-info
	find stages tests requirements perf examples -name __pycache__ -type d -prune -exec rm -rf {} +
