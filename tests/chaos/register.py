"""What only the processes of a chaos run are told: points, short waits, providers, wrong clocks."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from pathlib import Path
from typing import Any

from celery.signals import worker_ready
from django.apps import AppConfig
from django.conf import settings
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils import timezone

from tests.chaos.points import ORDERS, WORKER, Clock, reach

BROKEN = "CHAOS_BREAK"  # in the environment: the promise to break on purpose (sabotage.py)

_steps = threading.local()


class ChaosConfig(AppConfig):
    """Comes with tests.chaos.settings, into every process that uses them."""

    name = "tests.chaos"

    def ready(self) -> None:
        """Wrap what there is to wrap, where somebody gives orders."""
        from tests.chaos import sabotage  # noqa: PLC0415  needs the models

        _hurry()
        add_providers()
        if promise := os.environ.get(BROKEN):
            sabotage.BREAKS[promise]()
        if ORDERS in os.environ:
            set_points()
            _set_clock()
            worker_ready.connect(_tell_when_ready)


def _hurry() -> None:
    """What is a constant and no setting: as short as the settings' times."""
    from messaging import accounts, lanes, reconcile, record, retry, send, tasks  # noqa: PLC0415

    lanes.LANE_TIME = timedelta(seconds=0.8)
    record.PATIENCE = (0.1, 0.2, 0.3, 0.4, 0.5)
    retry.LADDER = tuple(timedelta(seconds=seconds) for seconds in (0.5, 1, 2, 4))
    send.PREPARE_AGAIN = timedelta(seconds=1)
    accounts.FIRST_PAUSE = timedelta(seconds=0.5)
    accounts.LONGEST_PAUSE = timedelta(seconds=4)
    reconcile.ASK_AFTER = timedelta(seconds=8)
    for channel in ("lane", "whatsapp_message", "sms_message", "email_message"):
        getattr(tasks, f"send_{channel}").soft_time_limit = (
            settings.LANE_TIME_LIMIT.total_seconds() - 0.5
        )


def add_providers() -> None:
    """The fake ones beside the real."""
    from messaging.providers import PROVIDERS  # noqa: PLC0415
    from tests.chaos.providers import AskedProvider  # noqa: PLC0415
    from tests.providers.http_provider import PeerProvider  # noqa: PLC0415

    PROVIDERS["peer"] = PeerProvider
    PROVIDERS["asked"] = AskedProvider


def set_points() -> None:
    """From now on this process looks for orders at each of them."""
    from messaging import (  # noqa: PLC0415
        accounts,
        authorize,
        optout,
        reap,
        record,
        render,
        send,
        track,
    )
    from messaging.providers import http_line, smtp_line  # noqa: PLC0415

    _wrap(authorize, "_lock", before="rows-claimed", after="doctors-locked")
    _wrap(authorize, "_write_sending", before="decided")
    _wrap(render, "compile_message", before="preparing")
    _wrap(send, "hand_over", before="before-hand-over", after="after-hand-over")
    _wrap(send, "call", after="after-call")
    _wrap(send, "record", before="before-record")
    _wrap(accounts, "note", before="before-note")
    _wrap(http_line.Line, "call", before="http-before-write")
    _wrap(http_line.Line, "send", after="http-half-written")  # headers, and once more the body
    _wrap(http_line.Line, "getresponse", before="http-written")
    _wrap(smtp_line.Line, "begin", _with_content, "smtp-before-content", "smtp-content-written")
    for module, name, step in (
        (authorize, "_authorize", "authorise"),
        (record, "_write", "record"),
        (reap, "reap", "reap"),
        (track, "_apply", "reports"),
        (optout, "opt_out", "opt-out"),
    ):
        _commits_as(module, name, step)
    BaseDatabaseWrapper.commit = _commit(BaseDatabaseWrapper.commit)


def _with_content(_line: Any, content: bytes, _mail: Any) -> bool:
    return bool(content)


def _wrap(
    place: Any,
    name: str,
    concerns: Callable[..., bool] = lambda *_: True,
    before: str = "",
    after: str = "",
) -> None:
    original = getattr(place, name)

    @wraps(original)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        is_concerned = concerns(*args)
        if before and is_concerned:
            reach(before)
        result = original(*args, **kwargs)
        if after and is_concerned:
            reach(after)
        return result

    setattr(place, name, wrapped)


def _commits_as(module: Any, name: str, step: str) -> None:
    """What this function commits has points named after the step."""
    original = getattr(module, name)

    @wraps(original)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        _steps.now = step
        try:
            return original(*args, **kwargs)
        finally:
            _steps.now = ""

    setattr(module, name, wrapped)


def _commit(original: Callable[[Any], None]) -> Callable[[Any], None]:
    def commit(self: Any) -> None:
        step = getattr(_steps, "now", "")
        if step:
            reach(f"{step}-before-commit")
        original(self)
        if step:
            reach(f"{step}-after-commit")

    return commit


def _set_clock() -> None:
    clock = Clock()
    right = timezone.now
    timezone.now = lambda: right() + timedelta(seconds=clock.wrong_by())


def _tell_when_ready(**_: Any) -> None:
    place = Path(os.environ[ORDERS]) / f"ready-{os.environ[WORKER]}"
    place.write_text(str(os.getpid()))
