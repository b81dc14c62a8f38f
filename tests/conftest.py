"""What all tests share: no tracking server is written to unless a test says so, and the order that ends soonest."""

import hypothesis
import pytest

# How long an example takes says something of the machine, not of the code.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests go first: the many short ones then fill the time until the last of those is through."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(autouse=True)
def tracking_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stage that runs inside a test must not add runs to the developer's own MLflow store."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "off")
