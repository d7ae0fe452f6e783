"""Fixtures that tests of every part share."""

from datetime import UTC, datetime

import pytest


@pytest.fixture
def now() -> datetime:
    """A Wednesday, 12:00 in Asia/Kolkata: inside everybody's sending hours."""
    return datetime(2026, 3, 4, 6, 30, tzinfo=UTC)
