"""Fixtures for tests of who is in a segment."""

from typing import Any

import pytest
from django.core.cache import cache


@pytest.fixture
def fresh_cache(settings: Any, worker_id: str) -> None:
    """An empty cache in a database of Valkey of this worker's own: clearing it harms nobody."""
    own = 2 + int(worker_id.removeprefix("gw")) if worker_id.startswith("gw") else 1
    default = settings.CACHES["default"]
    location = default["LOCATION"].partition("?")[0] + f"?db={own}"
    settings.CACHES = {"default": {**default, "LOCATION": location}}
    cache.clear()
