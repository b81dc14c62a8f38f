"""What all tests share: no tracking server is written to unless a test says so, and the order that ends soonest."""

import os
import time
from collections import Counter

import hypothesis
import pytest
import yaml

# Hundreds of tests read and write params.yaml: libyaml takes a tenth of the time for both.
yaml.SafeLoader, yaml.SafeDumper = yaml.CSafeLoader, yaml.CSafeDumper  # type: ignore[misc, assignment]

# How long an example takes says something of the machine, not of the code.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with most slow tests go first: the many short ones then fill the time until the last of those is through."""
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: -slow[item.path])


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """A check of limited time names in SLOW_TESTS_UNTIL (seconds since 1970) when no further slow test may begin."""
    until = os.environ.get("SLOW_TESTS_UNTIL")
    if until and time.time() > float(until) and item.get_closest_marker("slow"):
        pytest.skip("SLOW_TESTS_UNTIL is over: this machine is too slow for all slow tests within the check's time")


@pytest.fixture(autouse=True)
def tracking_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stage that runs inside a test must not add runs to the developer's own MLflow store."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "off")
