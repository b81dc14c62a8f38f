"""What all tests share: no tracking server is written to unless a test says so."""

import pytest


@pytest.fixture(autouse=True)
def tracking_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stage that runs inside a test must not add runs to the developer's own MLflow store."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "off")
