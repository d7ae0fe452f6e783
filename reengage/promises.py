"""The dashboard's panel of promises: what the last check of the deliveries found."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from messaging.models import AuditRun


@dataclass(frozen=True, slots=True)
class Promise:
    """One of them in words, and how many rows break it."""

    words: str
    broken: int

    @property
    def broken_words(self) -> str:
        """Such as "3 found"."""
        return f"{self.broken:,} found"


@dataclass(frozen=True, slots=True)
class Panel:
    """All promises, as of the last check; without one, only the button."""

    promises: list[Promise]
    checked_at: datetime | None
    since: datetime | None  # only what was sent from then on was looked at
    link: str  # to the check
    may_check: bool


def panel(request: HttpRequest) -> Panel | None:
    """What to show; None to those who may not see checks."""
    if not request.user.has_perm("messaging.view_auditrun"):
        return None
    may_check = request.user.has_perm("messaging.add_auditrun")
    run = AuditRun.objects.first()  # the newest
    if run is None:
        return Panel([], None, None, "", may_check)
    promises = [_promise(found) for found in run.found()]
    return Panel(promises, run.finished_at, run.since, page(run), may_check)


def page(run: AuditRun) -> str:
    """The address of a check's own page."""
    return reverse("admin:messaging_auditrun_change", args=[run.pk])


def _promise(found: dict[str, Any]) -> Promise:
    promise = found["promise"]
    return Promise(f"{promise[:1].upper()}{promise[1:]}", found["count"])
