"""Checks of what is promised: what each found, and the button that makes one."""

# ruff: noqa: ARG002  overridden signatures are Django's
from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.views.decorators.http import require_POST

from messaging import tasks
from messaging.audit.run import audit_recent
from messaging.models import AuditRun, MessageDelivery
from reengage.admin_base import Notice, PageExtrasMixin, ReadOnlyAdmin, Table, display
from segments.admin.base import when

# Up to so many deliveries are checked within the request: a second or two. More, by a worker.
AT_ONCE = 100_000

# The page of each kind of row that an example can name.
PAGES = {
    "delivery": "messaging_messagedelivery",
    "enrolment": "campaigns_campaignenrollment",
    "event": "messaging_providerevent",
    "optout": "messaging_unsubscriberecord",
    "suppression": "messaging_suppression",
}
LINK = "text-primary-600 dark:text-primary-500"


@admin.register(AuditRun)
class AuditRunAdmin(PageExtrasMixin[AuditRun], ReadOnlyAdmin[AuditRun]):
    """One check each, newest first."""

    list_display = ("finished_at", "state", "looked_at", "took")
    fields = ("finished_at", "looked_at", "took")
    readonly_fields = ("looked_at", "took")

    @display(description="result", label={"kept": "success", "broken": "danger"})
    def state(self, run: AuditRun) -> tuple[str, str]:
        """Whether anything was found."""
        return ("broken", f"{run.broken:,} found") if run.broken else ("kept", "All kept")

    @display(description="looked at")
    def looked_at(self, run: AuditRun) -> str:
        """How far back it looked."""
        return f"What was sent since {when(run.since)}" if run.since else "Everything"

    @display(description="took")
    def took(self, run: AuditRun) -> str:
        """How long it took."""
        return f"{(run.finished_at - run.started_at).total_seconds():.1f} s"

    def get_urls(self) -> list[URLPattern]:
        """With the address of the button."""
        view = self.admin_site.admin_view(require_POST(self.check_now))
        return [path("check-now/", view, name="messaging_auditrun_check"), *super().get_urls()]

    def check_now(self, request: HttpRequest) -> HttpResponse:
        """Check: at once where that takes a moment, else by a worker."""
        if not request.user.has_perm("messaging.add_auditrun"):
            raise PermissionDenied
        if MessageDelivery.objects.order_by()[: AT_ONCE + 1].count() > AT_ONCE:
            _begin(request)
        else:
            run = audit_recent(timezone.now)
            if run.broken:
                messages.error(request, f"Checked: {run.broken:,} rows break a promise.")
            else:
                messages.success(request, "Checked: every promise is kept.")
        return redirect(f"{reverse('admin:index')}#promises")

    def notices(self, request: HttpRequest, obj: AuditRun) -> list[Notice]:
        """The result in a sentence."""
        if not obj.broken:
            return [Notice("success", "Every promise is kept.")]
        lines = [
            f"{found['fault'].capitalize()}: {found['count']:,}"
            for found in obj.found()
            if found["count"]
        ]
        return [Notice("error", "Rows were found that break a promise.", lines)]

    def tables(self, request: HttpRequest, obj: AuditRun) -> list[Table]:
        """Each promise, and the examples of those that were broken."""
        return [_promises(obj), *(_examples(found) for found in obj.found() if found["count"])]


def _begin(request: HttpRequest) -> None:
    """Have a worker check; says so, or that none can be reached."""
    try:
        tasks.audit_deliveries.delay()
    except Exception:  # noqa: BLE001  whatever ails Redis
        messages.error(
            request, "Nothing was checked: a part of the system is down. Try again in a minute."
        )
    else:
        messages.info(request, "The check has begun. It is shown here when it is done.")


def _promises(run: AuditRun) -> Table:
    return Table(
        title="Promises",
        headers=("", "Promise", "Found", "Looked at", "Took"),
        rows=[
            (
                found["code"],
                f"{found['promise'][:1].upper()}{found['promise'][1:]}",
                f"{found['count']:,}",
                found["note"],
                f"{found['seconds']:.2f} s",
            )
            for found in run.found()
        ],
        empty="",
    )


def _examples(found: dict[str, Any]) -> Table:
    return Table(
        title=f"{found['code']} {found['name']}: examples",
        headers=("Row", "What is wrong"),
        rows=[(_page(row), row["what"]) for row in found["examples"]],
        empty="",
    )


def _page(row: dict[str, Any]) -> str:
    """The row's kind and key, linked where it has a page."""
    words = f"{row['kind']} {row['key']}"
    model = PAGES.get(row["kind"])
    if model is None:
        return words
    address = reverse(f"admin:{model}_change", args=[row["key"]])
    return format_html('<a class="{}" href="{}">{}</a>', LINK, address, words)
