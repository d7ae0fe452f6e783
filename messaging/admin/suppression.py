"""Channels that no longer reach a doctor: seen, and lifted by whoever may decide so."""

# ruff: noqa: ARG002  overridden signatures are Django's
from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone

from messaging import suppress
from messaging.models import Suppression, UnsubscribeRecord
from reengage.admin_base import (
    ChoicesDropdownFilter,
    Confirmation,
    DropdownFilter,
    Notice,
    PageExtrasMixin,
    ReadOnlyAdmin,
    action,
    confirm,
    display,
    is_confirmed,
)
from segments.admin.search import DoctorSearchMixin


class HoldsFilter(DropdownFilter):
    """Suppressions that hold, or that somebody lifted."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """The two."""
        return [("holds", "Holds"), ("lifted", "Lifted")]

    def queryset(
        self, request: HttpRequest, suppressions: QuerySet[Suppression]
    ) -> QuerySet[Suppression]:
        """Keep the chosen ones."""
        if self.value() not in ("holds", "lifted"):
            return suppressions
        return suppressions.filter(lifted_at__isnull=self.value() == "holds")


@admin.register(Suppression)
class SuppressionAdmin(DoctorSearchMixin, PageExtrasMixin[Suppression], ReadOnlyAdmin[Suppression]):
    """Written by the engine from what providers report; only lifted by hand."""

    list_display = ("doctor", "channel", "reason", "since", "state", "lifted_at")
    list_filter = (
        HoldsFilter,
        ("channel", ChoicesDropdownFilter),
        ("reason", ChoicesDropdownFilter),
    )
    list_select_related = ("doctor",)
    actions = ("lift_selected",)
    actions_detail = ("lift",)
    fieldsets = (
        (None, {"fields": ("doctor", "channel", "reason", "detail", "since", "event")}),
        ("Lifted", {"fields": ("lifted_at", "lifted_by")}),
    )

    def has_lift_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whoever decides whether a doctor is written to again."""
        return request.user.has_perm("messaging.lift_suppression")

    @display(description="state", label={"Holds": "danger", "Lifted": "success"})
    def state(self, held: Suppression) -> str:
        """Whether it holds."""
        return "Lifted" if held.lifted_at else "Holds"

    def notices(self, request: HttpRequest, obj: Suppression) -> list[Notice]:
        """What it means, and when to lift it."""
        if obj.lifted_at:
            return [Notice("info", "It was lifted: the channel is used again.")]
        lines = ["Lift it once the number or address was corrected, or the doctor has asked to."]
        if obj.reason in suppress.WISHES:
            lines = ["The doctor said so: lift it only where the doctor has asked to. The opt-out"]
            lines[0] += " that stands beside it is taken back on its own page."
        channel = obj.get_channel_display()
        return [Notice("warning", f"Nothing is sent to this doctor by {channel}.", lines)]

    @action(description="Lift", icon="undo", permissions=["lift"])
    def lift(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The button on a suppression's page."""
        chosen = self.get_queryset(request).filter(pk=object_id)
        back = reverse("admin:messaging_suppression_change", args=[object_id])
        return self._lift(request, chosen, back) or redirect(back)

    @admin.action(description="Lift", permissions=["lift"])
    def lift_selected(
        self, request: HttpRequest, suppressions: QuerySet[Suppression]
    ) -> HttpResponse | None:
        """The same for the ticked rows of the list."""
        return self._lift(request, suppressions, reverse("admin:messaging_suppression_changelist"))

    def _lift(
        self, request: HttpRequest, suppressions: QuerySet[Suppression], back: str
    ) -> HttpResponse | None:
        """Ask first; then lift those that hold, and say how many."""
        if not self.has_lift_permission(request):
            raise PermissionDenied
        standing = list(suppressions.filter(lifted_at=None).select_related("doctor"))
        if not standing:
            messages.warning(request, "Nothing to do: lifted already.")
            return redirect(back)
        if not is_confirmed(request):
            return confirm(self, request, _question(standing, request), back)
        now = timezone.now()
        lifted = sum(suppress.lift(held, now, request.user) for held in standing)
        messages.success(request, f"Suppressions lifted: {lifted}.")
        return None


def _question(standing: list[Suppression], request: HttpRequest) -> Confirmation:
    """What is asked before a channel is used again."""
    closed = UnsubscribeRecord.objects.standing().filter(
        doctor__in=[held.doctor_id for held in standing]
    )
    still_out = set(closed.values_list("doctor_id", "channel"))
    return Confirmation(
        title="Lift a suppression",
        question="The doctor is written to on this channel again. Has the reason gone?",
        facts=[_fact(held, still_out) for held in standing],
        button="Lift",
        is_dangerous=True,
        selected=[held.pk for held in standing],
        action=request.POST.get("action", ""),
    )


def _fact(held: Suppression, still_out: set[tuple[int, str | None]]) -> str:
    said = f"{held.doctor}, {held.get_channel_display()}: {suppress.words(held)}."
    if {(held.doctor_id, held.channel), (held.doctor_id, None)} & still_out:
        said += " An opt-out stands beside it: nothing is sent before that is taken back as well."
    return said
