"""Settings of the tests: a PostgreSQL and a Valkey of their own, gone afterwards.

Imported first by the main process, which starts the servers; workers of pytest-xdist find the
addresses in the environment and start nothing.
"""

import atexit
import contextlib

from reengage import embedded

_servers = contextlib.ExitStack()
_servers.enter_context(embedded.temporary())
atexit.register(_servers.close)

from reengage.settings import *  # noqa: E402, F403  reads the addresses

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
