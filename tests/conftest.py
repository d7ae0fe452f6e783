"""Fixtures that tests of every part share, and how long property tests take."""

import os
from datetime import UTC, datetime

import pytest
from django.utils import timezone
from hypothesis import settings

# How many examples each property is tried with: --hypothesis-profile=long, or the variable.
settings.register_profile("short", max_examples=100, deadline=None, print_blob=True)
settings.register_profile("long", settings.get_profile("short"), max_examples=10_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "short"))


@pytest.fixture
def now() -> datetime:
    """A Wednesday, 12:00 in Asia/Kolkata: inside everybody's sending hours."""
    return datetime(2026, 3, 4, 6, 30, tzinfo=UTC)


@pytest.fixture
def own_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """What sends goes by this process's clock, which tests can move, not by the database's."""
    for module in ("messaging.lanes", "messaging.tasks", "reengage.poll"):
        monkeypatch.setattr(f"{module}.database_clock", lambda: timezone.now)
