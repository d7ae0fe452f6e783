"""Keeps the sample away from data and providers that are not the demo's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from django.conf import settings
from django.db import DatabaseError, connection

from reengage import embedded
from reengage.demo.load import sample_doctors
from segments.models import Doctor

LOCK = 7_301_001  # among the advisory locks of the database


class RefusedError(Exception):
    """The demo would harm something here; the text says what, and what to do."""


def check() -> None:
    """Raise RefusedError where the sample must not go. Changes nothing."""
    if settings.PRODUCTION:
        raise RefusedError("PRODUCTION is set: `demo` is not for production. Use `setup` there.")
    providers = settings.MESSAGE_PROVIDERS.items()
    if real := [(name, channel) for channel, name in providers if name != "sandbox"]:
        names = ", ".join(f"{name} for {channel}" for name, channel in real)
        raise RefusedError(
            f"Real providers are configured ({names}): the demo would write to strangers. "
            "Unset WHATSAPP_PROVIDER, SMS_PROVIDER and EMAIL_PROVIDER."
        )
    if "doctors" not in connection.introspection.table_names():  # not migrated yet
        return
    others = Doctor.objects.exclude(pk__in=sample_doctors().values("pk")).count()
    if others and not (_is_embedded() and sample_doctors().exists()):
        raise RefusedError(
            f"The database has {others:,} doctors that are not the sample's, so the demo stays "
            "away from it. Name an empty database in DATABASE_URL, or leave it unset to use a "
            "private one."
        )


def _is_embedded() -> bool:
    """Whether the database is the one that manage.py starts, for trying things out."""
    running = embedded.running_urls() or {}
    return running.get("DATABASE_URL") == str(settings.DATABASE_URL)


@contextmanager
def alone() -> Iterator[None]:
    """Hold the demo's lock on the database. RefusedError: another demo holds it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [LOCK])
        (is_ours,) = cursor.fetchone()
    if not is_ours:
        raise RefusedError(
            "The demo is running on this database already, in another terminal: its address and "
            "password stand there. Other `manage.py` commands can be used meanwhile."
        )
    try:
        yield
    finally:
        # The lock goes with the connection, if that is gone.
        with suppress(DatabaseError), connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [LOCK])
