"""Keys, a public address, and a spool of the test's own."""

import pytest

from messaging import patience
from tests.webhook_calls import BASE, KEYS


@pytest.fixture(autouse=True)
def _keys(settings, tmp_path, monkeypatch):
    settings.WEBHOOK_KEYS = KEYS
    settings.PUBLIC_BASE_URL = BASE
    settings.SPOOL_DIR = tmp_path / "spool"
    monkeypatch.setattr(patience._Away, "until", 0.0)
