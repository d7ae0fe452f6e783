"""Settings of the tests: a PostgreSQL and a Valkey of their own, gone afterwards.

Imported first by the main process, which starts the servers; workers of pytest-xdist find the
addresses in the environment and start nothing.
"""

import atexit
import contextlib
import os

from reengage import embedded
from reengage.environment import database_after

_servers = contextlib.ExitStack()
_servers.enter_context(embedded.temporary())
atexit.register(_servers.close)

from reengage.settings import *  # noqa: E402, F403  reads the addresses

# Each worker has a cache of its own: a test that clears it would empty another's.
for _ in range(int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))):
    CACHE_URL = database_after(CACHE_URL)  # noqa: F405
CACHES["default"]["LOCATION"] = CACHE_URL  # noqa: F405

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
