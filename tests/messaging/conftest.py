"""Fixtures of the sending engine's tests."""

from collections.abc import Callable

import pytest

from messaging import patience
from messaging.providers.base import Receipt
from tests.messaging.scripted import Scripted


@pytest.fixture(autouse=True)
def patient_database(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine is no outage: where none is tested, the database may take its time."""
    if "outage" not in request.module.__name__:
        monkeypatch.setattr(patience, "PATIENCE", 60.0)
        monkeypatch.setattr(patience, "AGAIN_WITHIN", 60.0)


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Scripted]:
    """Puts a provider with this script behind every channel."""

    def put(*script: Receipt) -> Scripted:
        scripted = Scripted(*script)
        monkeypatch.setattr("messaging.send.provider_for", lambda channel: scripted)
        return scripted

    return put
