"""What every test of the admin starts from."""

from collections.abc import Iterator

import pytest
import time_machine

from tests.admin.world import (
    make,
)
from tests.engine import NOW


@pytest.fixture(autouse=True)
def _clock() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def rows() -> None:
    make(1)
