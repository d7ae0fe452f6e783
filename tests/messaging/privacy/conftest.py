"""A doctor who is in every table, and folders of the test's own."""

from typing import Any

import pytest

from segments.models import Doctor
from tests.messaging.privacy import canary


@pytest.fixture(autouse=True)
def _folders(settings: Any, tmp_path: Any) -> None:
    settings.SPOOL_DIR = tmp_path / "spool"
    settings.MEDIA_ROOT = tmp_path / "media"


@pytest.fixture
def doctor() -> Doctor:
    return canary.make()
