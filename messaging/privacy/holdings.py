"""Where a doctor's data lie: every table that hangs on the doctor, found by Django's relations.

What hangs on no relation is named here by hand. tests/messaging/privacy/ compares both with the
database's catalogue, so that a new table cannot be forgotten.
"""

# ruff: noqa: SLF001  `_meta` and `_default_manager` are Django's
from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from typing import Any

from django.db.models import Model, QuerySet

from segments.models import Doctor
from segments.peers import full_name

# Tables that may name a doctor without pointing to one, and how they are gone through.
UNRELATED = {
    "handed_over": "by the claims of the doctor's attempts, and by the name for peers",
    "import_rejections": "by what the rejected row says",
    "django_admin_log": "by the doctor's key, and by what it says",
}
# Tables that hold nothing of any doctor but keys and counts.
IMPERSONAL = {
    "api_batches": "keys and counts; nothing that a program sent wrongly",
    "api_keys": "staff",
    "campaign_analytics_mark": "times",
    "campaign_cohorts": "counts",
    "campaign_step_analytics": "counts",
    "experiment_variants": "of everybody",
    "experiments": "of everybody",
    "reengage_change": "keys, and what staff changed; personal values are masked",
    "reengage_groupoffer": "staff",
    "weekly_reviews": "staff",
    "audience_checks": "counts, and keys of doctors",
    "audit_runs": "keys of deliveries",
    "auth_group": "staff",
    "auth_group_permissions": "staff",
    "auth_permission": "staff",
    "auth_user": "staff",
    "auth_user_groups": "staff",
    "auth_user_user_permissions": "staff",
    "campaign_analytics": "counts",
    "campaign_messages": "steps",
    "campaigns": "of everybody",
    "course_modules": "of everybody",
    "courses": "of everybody",
    "django_celery_beat_clockedschedule": "schedules",
    "django_celery_beat_crontabschedule": "schedules",
    "django_celery_beat_intervalschedule": "schedules",
    "django_celery_beat_periodictask": "schedules",
    "django_celery_beat_periodictasks": "schedules",
    "django_celery_beat_solarschedule": "schedules",
    "django_content_type": "names of tables",
    "django_migrations": "names of files",
    "django_session": "staff",
    "heartbeats": "machines",
    "import_runs": "counts and names of files",
    "keyword_replies": "of everybody",
    "message_costs": "counts",
    "message_templates": "of everybody",
    "provider_accounts": "machines",
    "send_windows": "keys of deliveries",
    "sessions": "of everybody",
    "template_versions": "of everybody",
}


@cache
def paths() -> dict[type[Model], tuple[str, ...]]:
    """Every model that hangs on a doctor, and the lookups that lead from it to the doctor."""
    found: dict[type[Model], tuple[str, ...]] = {Doctor: ("",)}
    waiting: list[type[Model]] = [Doctor]
    while waiting:
        parent = waiting.pop(0)
        for relation in parent._meta.related_objects:
            model = relation.related_model
            if not isinstance(model, type) or model is Doctor:
                continue
            up = found[parent][0]  # the shortest way
            path = f"{relation.field.name}__{up}" if up else relation.field.name
            if model not in found:
                waiting.append(model)
            found[model] = (*found.get(model, ()), path)
    del found[Doctor]
    return found


def rows(model: type[Model], doctor_id: int) -> QuerySet[Any]:
    """The rows of a model of `paths()` that hang on the doctor, by any way, oldest first."""
    ways = [
        model._default_manager.filter(**{path: doctor_id}).order_by().values("pk")
        for path in paths()[model]
    ]
    keys = ways[0].union(*ways[1:]) if ways[1:] else ways[0]
    return model._default_manager.filter(pk__in=keys).order_by("pk")


def names(doctor: Doctor) -> list[str]:
    """What a text would name the doctor by: ids, addresses and the full name."""
    certificates = doctor.certificates.values_list("external_id", flat=True)
    named = (doctor.external_id, doctor.email, full_name(doctor.first_name, doctor.last_name))
    return [name for name in (*named, *certificates) if name]


def pattern(doctor: Doctor) -> str:
    """A regular expression, for Python and PostgreSQL alike, of any of the doctor's names.

    Numbers are found however they are written: with spaces, dashes or without the country code.
    """
    parts = [rf"(?<!\w){re.escape(name)}(?!\w)" for name in names(doctor)]
    parts += [number_pattern(number) for number in (doctor.phone, doctor.whatsapp) if number]
    return "|".join(dict.fromkeys(parts))


def number_pattern(number: str) -> str:
    """A regular expression of a number (E.164) in any spelling, by its last ten digits."""
    return r"\D{0,2}".join(re.sub(r"\D", "", number)[-10:])


def mentions(values: Iterable[str], searched: str) -> bool:
    """Whether one of the texts has what `pattern` finds."""
    return any(re.search(searched, value, re.IGNORECASE) for value in values)
