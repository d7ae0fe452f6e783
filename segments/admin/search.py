"""Find a doctor by what marketers have at hand: id, phone, e-mail or the start of the name."""

# ruff: noqa: ARG002, SLF001  overridden signatures and `_default_manager` are Django's
from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from django.db.models import QuerySet
from django.db.models.functions import Lower

from reengage.admin_base import ModelAdmin
from segments.models import Doctor

SEARCH_HELP = "CLIRNET id, phone number or e-mail address in full, or how the last name starts."
# More doctors than this are not a person searched for, but a part of a name.
MOST_DOCTORS = 200


def doctor_queries(term: str) -> Sequence[QuerySet[Doctor]]:
    """One query for each way in which the term may name a doctor."""
    if "@" in term:
        return [Doctor.objects.alias(mail=Lower("email")).filter(mail=term.lower())]
    queries = [Doctor.objects.filter(external_id=term)]
    digits = re.sub(r"\D", "", term)
    if len(digits) >= 7:
        # +91 is India: marketers type the ten digits that they know.
        queries.append(Doctor.objects.filter(phone__in={f"+{digits}", f"+91{digits[-10:]}"}))
    elif not digits:
        queries.append(Doctor.objects.filter(last_name__istartswith=term))
    return queries


def doctor_ids(term: str) -> list[int]:
    """Keys of the doctors that the term names, at most `MOST_DOCTORS`."""
    found: set[int] = set()
    for query in doctor_queries(term):
        found.update(query.order_by().values_list("pk", flat=True)[:MOST_DOCTORS])
    return sorted(found)[:MOST_DOCTORS]


class DoctorSearchMixin(ModelAdmin[Any]):
    """Search a list of rows that belong to doctors by the doctor."""

    doctor_path = "doctor"
    search_help_text = f"Doctor: {SEARCH_HELP}"

    def get_search_fields(self, request: Any) -> Any:
        """Always show the search box."""
        return super().get_search_fields(request) or (self.doctor_path,)

    def get_search_results(
        self, request: Any, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Rows of the doctors found, and rows in which a `search_exact` field is the term."""
        term = search_term.strip().replace("\x00", "")
        return (self.search_exactly(queryset, term) if term else queryset), False

    def matches(self, term: str) -> list[QuerySet[Any, Any]]:
        """Add the rows of the doctors found."""
        rows = self.model._default_manager.filter(**{f"{self.doctor_path}__in": doctor_ids(term)})
        return [*super().matches(term), rows.order_by().values("pk")]
