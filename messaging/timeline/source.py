"""One table that has something to say of a doctor: when, and in which words."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.apps import apps
from django.db import models
from django.db.models import Model


class Theme(models.TextChoices):
    """What a line is about: the choices of the page's filter."""

    MESSAGES = "messages", "Messages"
    WISHES = "wishes", "Wishes and consent"
    ACTIVITY = "activity", "What the doctor did"
    CAMPAIGNS = "campaigns", "Campaigns and segments"


@dataclass(frozen=True, slots=True)
class Said:
    """A moment of a row in words. `icon`: a name of Material Symbols; `tone`: its colour."""

    word: str  # what happened, such as Opened
    sentence: str = ""
    icon: str = "circle"
    tone: str = "plain"  # good, bad, warn, plain or quiet: kept, but not counted
    # Whose page tells more, where it is another than the row's own: the model and the key.
    more: tuple[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """A table whose rows belong to a doctor, and the moments that each row has.

    `moments` maps a name to the SQL of its time, of the row `r`; what is NULL has not happened.
    Those at the same time are shown in this order, the last one on top. `of_doctor` and
    `of_campaign` are SQL conditions with %(doctor)s and %(campaign)s; an empty `of_campaign`: the
    row belongs to no campaign. Each must be served by an index on the doctor.
    """

    model: str  # such as messaging.MessageDelivery: its view permission is asked for
    theme: Theme
    moments: Mapping[str, str]
    say: Callable[[Any, str], Said]  # a row, and the name of one of its moments
    related: Sequence[str] = ()  # what is read along with a row
    joins: str = ""
    of_doctor: str = "r.user_id = %(doctor)s"
    of_campaign: str = ""

    @property
    def rows(self) -> type[Model]:
        """The model; campaigns are above this application and are found by name."""
        return apps.get_model(self.model)

    def select(self, *, in_campaign: bool) -> str:
        """SQL for every moment of the doctor's rows: `at` and `mark`, which names it."""
        named = ", ".join(
            f"('{place:02}:{self.model}:{name}:', {at})"
            for place, (name, at) in enumerate(self.moments.items())
        )
        where = f"{self.of_doctor} AND {self.of_campaign}" if in_campaign else self.of_doctor
        return f"""
            SELECT v.at, (v.mark || r.id) COLLATE "C" AS mark
            FROM {self.rows._meta.db_table} r {self.joins}
            CROSS JOIN LATERAL (VALUES {named}) AS v(mark, at)
            WHERE {where} AND v.at IS NOT NULL
        """  # noqa: S608, SLF001  names and constants only; `_meta` is Django's

    def read(self, keys: Sequence[str]) -> dict[str, Any]:
        """The rows by their keys as text, in one query."""
        found = self.rows._default_manager.filter(pk__in=keys)  # noqa: SLF001  Django's
        return {str(row.pk): row for row in found.select_related(*self.related)}


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the timeline."""

    at: datetime  # aware
    theme: Theme
    said: Said
    model: str
    key: str | int | uuid.UUID

    @property
    def target(self) -> tuple[str, Any]:
        """The model and the key of the row whose page tells more."""
        return self.said.more or (self.model, self.key)


def shortened(text: str, most: int = 140) -> str:
    """A text on one line, cut off where it is long."""
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 1]}…"


def begun(text: str) -> str:
    """A text with a capital at its start; the rest stays, as in SMS."""
    return text[:1].upper() + text[1:]
