"""Fixtures of the sending engine's tests."""

from collections.abc import Callable

import pytest

from messaging.providers.base import Receipt
from tests.messaging.scripted import Scripted


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Scripted]:
    """Puts a provider with this script behind every channel."""

    def put(*script: Receipt) -> Scripted:
        scripted = Scripted(*script)
        monkeypatch.setattr("messaging.send.provider_for", lambda channel: scripted)
        return scripted

    return put
