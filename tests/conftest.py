"""What all tests share: no tracking server is written to unless a test says so, and the order that ends soonest."""

import hypothesis
import pytest
import yaml

# Hundreds of tests read and write params.yaml: libyaml takes a tenth of the time for both.
yaml.SafeLoader, yaml.SafeDumper = yaml.CSafeLoader, yaml.CSafeDumper  # type: ignore[misc, assignment]

# How long an example takes says something of the machine, not of the code.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests go first: the many short ones then fill the time until the last of those is through.

    Coverage is measured in the fast tests alone: under the tracer code takes twice as long.
    """
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)
    for item in items:
        if item.get_closest_marker("slow"):
            item.add_marker("no_cover")


@pytest.fixture(autouse=True)
def tracking_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stage that runs inside a test must not add runs to the developer's own MLflow store."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "off")
