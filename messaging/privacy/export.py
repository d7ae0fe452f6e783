"""Everything that is known of a doctor, for the doctor: as JSON, and as a page to read and print.

Both are written row by row, so that they take as little memory for ten years as for a day.
"""

# ruff: noqa: SLF001  `_meta` is Django's
from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.contrib.contenttypes.models import ContentType
from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import Model
from django.template.loader import render_to_string
from django.utils.timezone import get_current_timezone, localtime

from messaging.evidence import NoText, sent_text
from messaging.models import MessageDelivery
from messaging.privacy import holdings
from messaging.timeline.page import Place, Wanted, page
from messaging.timeline.source import Entry
from segments.models import Doctor, ImportRejection

CHUNK = 500
Row = dict[str, Any]

# Secrets that open the doctor's own links; and what is about staff, not about the doctor.
_LEFT_OUT = {"token", "fingerprints"}


def tables(doctor: Doctor) -> Iterator[tuple[str, str, Iterator[Row]]]:
    """Name, heading and rows of everything that is kept of the doctor."""
    yield "doctors", "The doctor", iter([_row(doctor)])
    yield "messages", "What was said", _messages(doctor)
    for model in _models():
        yield model._meta.db_table, _heading(model), _rows(model, doctor)
    yield "import_rejections", "Rows of files that were refused", _rejected(doctor)
    yield "django_admin_log", "What staff changed", _logged(doctor)


def counts(doctor: Doctor) -> list[tuple[str, int]]:
    """Heading and number of rows of each table, of those that have any."""
    found = [(_heading(model), holdings.rows(model, doctor.pk).count()) for model in _models()]
    return [(heading, count) for heading, count in found if count]


def as_json(doctor: Doctor, now: datetime) -> Iterator[str]:
    """One JSON object: `exported_at`, and a list of rows for each table."""
    yield f'{{"exported_at": {_dumped(now)}'
    for name, _, rows in tables(doctor):
        yield f",\n{_dumped(name)}: ["
        for number, row in enumerate(rows):
            yield f"{',' if number else ''}\n  {_dumped(row)}"
        yield "]"
    yield "}\n"


def as_page(doctor: Doctor, now: datetime) -> Iterator[str]:
    """A page of its own: nothing in it is loaded from elsewhere."""
    yield render_to_string("messaging/privacy/head.html", {"doctor": doctor, "now": now})
    yield from _section("The doctor", "rows", iter([_named(doctor)]))
    yield from _section("What we wrote", "messages", _messages(doctor))
    yield from _section("What happened, newest first", "line", _lines(doctor))
    yield render_to_string("messaging/privacy/fold.html")
    for name, heading, rows in tables(doctor):
        if name != "messages":
            yield from _section(heading, "rows", map(_shown, rows))
    yield "</details></main></body></html>\n"


def _section(heading: str, template: str, rows: Iterable[Any]) -> Iterator[str]:
    yield render_to_string("messaging/privacy/section.html", {"heading": heading})
    is_empty = True
    for row in rows:
        is_empty = False
        yield render_to_string(f"messaging/privacy/{template}.html", {"row": row})
    yield render_to_string("messaging/privacy/end.html", {"is_empty": is_empty})


def _lines(doctor: Doctor) -> Iterator[Entry]:
    """The timeline, with what is still to come."""
    wanted = Wanted(doctor.pk, get_current_timezone())
    place: Place | None = Place(datetime.max.replace(tzinfo=UTC))
    while place is not None:
        found = page(wanted, place, CHUNK)
        yield from found.entries
        place = found.older


def _named(doctor: Doctor) -> list[tuple[str, str]]:
    """The doctor's own row by what its fields are called."""
    row = _row(doctor)
    return [
        (str(field.verbose_name), _readable(row[field.attname]))
        for field in Doctor._meta.concrete_fields
        if field.editable and row[field.attname] not in (None, "")
    ]


def _models() -> list[type[Model]]:
    return sorted(holdings.paths(), key=lambda model: model._meta.db_table)


def _heading(model: type[Model]) -> str:
    words = str(model._meta.verbose_name_plural)
    return f"{words[:1].upper()}{words[1:]}"


def _dumped(value: Any) -> str:
    return json.dumps(value, cls=DjangoJSONEncoder, ensure_ascii=False)


def _rows(model: type[Model], doctor: Doctor) -> Iterator[Row]:
    found = holdings.rows(model, doctor.pk).select_related(*_labelled(model))
    return map(_row, found.iterator(chunk_size=CHUNK))


def _labelled(model: type[Model]) -> list[str]:
    """Foreign keys whose target is named beside its key: courses, campaigns, not people."""
    return [
        field.name
        for field in model._meta.concrete_fields
        if field.is_relation
        and field.related_model not in (Doctor, *holdings.paths(), get_user_model())
    ]


def _row(instance: Model) -> Row:
    """Every column, with a choice's words and a course's name beside what is stored."""
    labelled = _labelled(type(instance))
    row: Row = {}
    for field in instance._meta.concrete_fields:
        if field.name in _LEFT_OUT:
            continue
        row[field.attname] = getattr(instance, field.attname)
        if field.name in labelled and row[field.attname] is not None:
            row[field.name] = str(getattr(instance, field.name))
    return row


def _messages(doctor: Doctor) -> Iterator[Row]:
    """What every message said that went out, or may have."""
    deliveries = MessageDelivery.objects.filter(doctor=doctor).order_by("pk")
    for delivery in deliveries.select_related("enrollment__campaign").iterator(chunk_size=CHUNK):
        found = sent_text(delivery)
        if isinstance(found, NoText):
            if found.attempt is not None:
                yield {**_message(delivery), "text": found.reason}
            continue
        yield {
            **_message(delivery),
            "to": found.recipient,
            "subject": found.message.subject,
            "text": found.message.text,
            "html": found.message.html,
        }


def _message(delivery: MessageDelivery) -> Row:
    return {
        "delivery": delivery.pk,
        "channel": delivery.get_channel_display(),
        "campaign": delivery.enrollment.campaign.name,
        "status": delivery.get_status_display(),
        "sent_at": delivery.sent_at,
        "delivered_at": delivery.delivered_at,
        "opened_at": delivery.opened_at,
        "clicked_at": delivery.clicked_at,
    }


def _rejected(doctor: Doctor) -> Iterator[Row]:
    searched = holdings.pattern(doctor)
    found = ImportRejection.objects.filter(value__iregex=searched)
    found |= ImportRejection.objects.filter(problem__iregex=searched)
    return map(_row, found.order_by("pk").iterator(chunk_size=CHUNK))


def _logged(doctor: Doctor) -> Iterator[Row]:
    """When what was changed on the doctor's page; by whom is a matter of the staff."""
    of_doctors = ContentType.objects.get_for_model(Doctor)
    found = LogEntry.objects.filter(content_type=of_doctors, object_id=str(doctor.pk))
    for entry in found.order_by("pk").iterator(chunk_size=CHUNK):
        yield {"at": entry.action_time, "what": entry.get_change_message()}


def _shown(row: Row) -> list[tuple[str, str]]:
    """Name and value of what a row has, as a person reads it."""
    return [
        (name.replace("_", " "), _readable(value))
        for name, value in row.items()
        if value not in (None, "", [], {})
    ]


def _readable(value: Any) -> str:
    if isinstance(value, datetime):
        return f"{localtime(value):%d %b %Y, %H:%M}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (dict, list)):
        return _dumped(value)
    return str(value)
