"""A filter of lists by days: those of the office's time zone, both ends included."""

# ruff: noqa: ARG002  overridden signatures are Django's
from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.timezone import make_aware


class DayMixin:
    """For the theme's filter of dates, of a moment: its own leaves out the last day's moments."""

    form_class: Any
    parameter_name: str
    used_parameters: dict[str, Any]

    def queryset(self, request: HttpRequest, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Keep the rows of these days; what is no date is told by the form, and keeps all."""
        form: Any = self.form_class(name=self.parameter_name, data=self.used_parameters)
        form.full_clean()
        first: date | None = form.cleaned_data.get(f"{self.parameter_name}_from")
        last: date | None = form.cleaned_data.get(f"{self.parameter_name}_to")
        if first:
            rows = rows.filter(**{f"{self.parameter_name}__gte": _midnight(first)})
        if last and last < date.max:  # no day comes after that one
            day_after = _midnight(last + timedelta(days=1))
            rows = rows.filter(**{f"{self.parameter_name}__lt": day_after})
        return rows


def _midnight(day: date) -> datetime:
    return make_aware(datetime.combine(day, time.min))
