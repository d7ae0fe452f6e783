"""Pages of lists that may have a million rows."""

from __future__ import annotations

from django.core.paginator import Paginator
from django.db import connection
from django.db.models import Model, QuerySet
from django.utils.functional import cached_property

# Rows that a list leads to by turning pages; beyond, a search or a filter finds them.
PAGED_ROWS = 10_000


class BoundedPaginator(Paginator):  # type: ignore[type-arg]  # not generic at run time
    """Counts no further than `PAGED_ROWS`, so that a list opens as fast at a million rows.

    `total` says how many there are in words: exact while few, else estimated from PostgreSQL's
    own statistics (unfiltered lists) or just "more than".
    """

    template_name = "admin/includes/bounded_pagination.html"

    @cached_property
    def _counted(self) -> int:
        # One row more than can be paged tells "exactly as many" from "more".
        rows = self.object_list
        if isinstance(rows, QuerySet):
            return rows.order_by()[: PAGED_ROWS + 1].count()
        return len(rows)

    @cached_property
    def count(self) -> int:
        """Rows that can be paged through."""
        return min(self._counted, PAGED_ROWS)

    @property
    def is_complete(self) -> bool:
        """Every row can be reached by turning pages."""
        return self._counted <= PAGED_ROWS

    @property
    def total(self) -> str:
        """How many rows there are, such as "317", "about 1,204,000" or "more than 10,000"."""
        if self.is_complete:
            return f"{self._counted:,}"
        rows = self.object_list
        if isinstance(rows, QuerySet) and not rows.query.where:
            estimate = estimated_rows(rows.model)
            if estimate > PAGED_ROWS:
                return f"about {round(estimate, -3):,}"
        return f"more than {PAGED_ROWS:,}"


def estimated_rows(model: type[Model]) -> int:
    """Rows of the model's table as PostgreSQL last estimated them; -1 where it never did."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT reltuples::bigint FROM pg_class WHERE oid = to_regclass(%s)",
            [connection.ops.quote_name(model._meta.db_table)],  # noqa: SLF001  Django's
        )
        row = cursor.fetchone()
    return int(row[0]) if row else -1
