"""What all tests share: no tracking server is written to unless a test says so."""

import hypothesis
import pytest

# How long an example takes says something of the machine, not of the code.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")


@pytest.fixture(autouse=True)
def tracking_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stage that runs inside a test must not add runs to the developer's own MLflow store."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "off")
