"""Whom a change is put down to: told to the database, whose triggers keep the trail.

The triggers (reengage/migrations/0002_triggers.py) see every change of what marketers decide: by a
form, a button, the API, or an update of many rows. Who did it, only the request knows.
"""

from __future__ import annotations

import json
from contextvars import ContextVar

from django.contrib.auth.models import User
from django.db import connection

_is_set: ContextVar[bool] = ContextVar("reengage_actor_is_set", default=False)


def act_as(user: User, via: str = "") -> None:
    """From now on, what this request changes is put down to the user.

    `via`: how it came about where it was not the admin, such as the name of an API key. It holds
    until stop_acting(), which the middleware calls at the end of every request.
    """
    _is_set.set(True)
    _tell(json.dumps({"id": user.pk, "name": user.get_username(), "via": via}))


def stop_acting() -> None:
    """What is changed from now on is put down to nobody."""
    if _is_set.get():
        _is_set.set(False)
        if connection.needs_rollback:  # its end takes back what was told within
            return
        _tell("")


def _tell(actor: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('reengage.actor', %s, false)", [actor])
