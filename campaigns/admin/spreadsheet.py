"""What a page of figures shows, as a CSV file that a spreadsheet opens without running anything."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.http import HttpResponse

from campaigns.analytics.figures import Figures
from segments.imports.values import escape_formula

FIGURES = ("sent", "delivered", "opened", "clicked", "failed", "opted out")


@dataclass(frozen=True, slots=True)
class Section:
    """One table of the page."""

    title: str
    headers: Sequence[str]
    rows: Iterable[Sequence[Any]]


def numbers(figures: Figures) -> tuple[int, ...]:
    """In the order of FIGURES."""
    return (
        figures.sent,
        figures.delivered,
        figures.opened,
        figures.clicked,
        figures.failed,
        figures.unsubscribed,
    )


def csv_file(name: str, sections: Iterable[Section]) -> HttpResponse:
    """Download of the sections, one below the other. `name` has no ending."""
    response = HttpResponse(
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}.csv"'},
    )
    response.write("\ufeff")  # by which Excel knows UTF-8
    writer = csv.writer(response)
    for section in sections:
        writer.writerow([escape_formula(section.title)])
        writer.writerow([escape_formula(header) for header in section.headers])
        writer.writerows([_cell(value) for value in row] for row in section.rows)
        writer.writerow([])
    return response


def _cell(value: Any) -> Any:
    """Numbers as they are, everything else as text that is no formula."""
    if value is None:
        return ""
    return value if isinstance(value, int | float) else escape_formula(str(value))
