"""Opt-outs and consent: what a doctor said stays on record."""

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

from messaging import optout
from messaging.models import ConsentRecord, UnsubscribeRecord
from reengage.admin_base import (
    BigTableMixin,
    ChoicesDropdownFilter,
    Confirmation,
    DropdownFilter,
    ModelAdmin,
    ModelForm,
    RelatedDropdownFilter,
    TextareaWidget,
    User,
    action,
    confirm,
    display,
    is_confirmed,
)
from segments.admin.base import ImportedAdmin
from segments.admin.search import DoctorSearchMixin

_FOR_GOOD = (
    "The person asked to be erased. Should they wish to come back, delete their entry under "
    "“Erased persons” first."
)


class StandingFilter(DropdownFilter):
    """Opt-outs that hold, or that the doctor took back."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """The two."""
        return [("holds", "Holds"), ("back", "Taken back")]

    def queryset(
        self, request: HttpRequest, records: QuerySet[UnsubscribeRecord]
    ) -> QuerySet[UnsubscribeRecord]:
        """Keep the chosen ones."""
        if self.value() not in ("holds", "back"):
            return records
        return records.filter(revoked_at__isnull=self.value() == "holds")


class OptOutForm(ModelForm[UnsubscribeRecord]):
    """A new opt-out. Saying it twice is one wish, so the database's rule is no error here."""

    class Meta:
        model = UnsubscribeRecord
        fields = ("doctor", "channel", "segment_type", "reason")
        widgets = {"reason": TextareaWidget(attrs={"rows": 2})}

    def validate_constraints(self) -> None:
        """Leave the one constraint to `optout.opt_out`, which keeps it."""


@admin.register(UnsubscribeRecord)
class UnsubscribeRecordAdmin(DoctorSearchMixin, BigTableMixin, ModelAdmin[UnsubscribeRecord]):
    """Opt-outs. Adding one acts at once; none can be edited or deleted, only taken back."""

    form = OptOutForm
    list_display = (
        "doctor",
        "what_channel",
        "what_kind",
        "unsubscribed_at",
        "source",
        "state",
        "revoked_at",
    )
    list_filter = (
        StandingFilter,
        ("channel", ChoicesDropdownFilter),
        ("delivery__campaign_message__campaign", RelatedDropdownFilter),
        ("delivery__channel", ChoicesDropdownFilter),
    )
    list_select_related = ("doctor",)
    autocomplete_fields = ("doctor",)
    actions = ("take_back_selected",)
    actions_detail = ("take_back",)
    add_fieldsets = (
        (
            None,
            {
                "fields": ("doctor", "channel", "segment_type", "reason"),
                "description": "Acts at once: messages already planned are not sent.",
            },
        ),
    )
    fieldsets = (
        (None, {"fields": ("doctor", "channel", "segment_type", "reason")}),
        (
            "Record",
            {"fields": ("unsubscribed_at", "source", "delivery", "paused_until", "revoked_at")},
        ),
    )

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Also by step and variant, as figures link to the opt-outs behind them."""
        by_message = ("delivery__campaign_message__id__exact", "delivery__variant__id__exact")
        return lookup in by_message or super().lookup_allowed(lookup, value, request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refused: a wish stays as it was said."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refused: taking it back is a fact of its own."""
        return False

    def has_take_back_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whoever could change opt-outs if they could be changed."""
        return request.user.has_perm("messaging.change_unsubscriberecord")

    @display(description="channel")
    def what_channel(self, record: UnsubscribeRecord) -> str:
        """NULL means all."""
        return record.get_channel_display() or "All channels"

    @display(description="kind of campaign")
    def what_kind(self, record: UnsubscribeRecord) -> str:
        """NULL means all."""
        return record.get_segment_type_display() or "All kinds"

    @display(
        description="state",
        label={"Holds": "danger", "Pause": "warning", "Taken back": "success", "Over": "success"},
    )
    def state(self, record: UnsubscribeRecord) -> str:
        """Whether it holds; a pause ends by itself."""
        if record.paused_until:
            return "Over" if record.revoked_at else "Pause"
        return "Taken back" if record.revoked_at else "Holds"

    def save_model(
        self, request: HttpRequest, obj: UnsubscribeRecord, form: Any, change: Any
    ) -> None:
        """Opt the doctor out, at once."""
        asked_at = timezone.now()
        record = optout.opt_out(
            obj.doctor_id,
            obj.channel,
            obj.segment_type,
            reason=obj.reason or None,
            source="admin",
            now=asked_at,
        )
        if record.unsubscribed_at and record.unsubscribed_at < asked_at:
            messages.info(request, "This opt-out was on record already: nothing has changed.")
        obj.pk = record.pk

    @action(description="Take back", icon="undo", permissions=["take_back"])
    def take_back(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The button on an opt-out's page."""
        records = self.get_queryset(request).filter(pk=object_id)
        back = reverse("admin:messaging_unsubscriberecord_change", args=[object_id])
        return self._take_back(request, records, back) or redirect(back)

    @admin.action(description="Take back", permissions=["take_back"])
    def take_back_selected(
        self, request: HttpRequest, records: QuerySet[UnsubscribeRecord]
    ) -> HttpResponse | None:
        """The same for the ticked rows of the list."""
        back = reverse("admin:messaging_unsubscriberecord_changelist")
        return self._take_back(request, records, back)

    def _take_back(
        self, request: HttpRequest, records: QuerySet[UnsubscribeRecord], back: str
    ) -> HttpResponse | None:
        """Ask first; then take back those that hold, and say how many."""
        if not self.has_take_back_permission(request):
            raise PermissionDenied
        holding = records.filter(revoked_at=None)
        standing = list(holding.filter(doctor__erased=None).select_related("doctor"))
        if kept := holding.exclude(doctor__erased=None).count():
            messages.warning(request, f"Opt-outs that stay: {kept}. {_FOR_GOOD}")
        if not standing:
            if not kept:
                messages.warning(request, "Nothing to do: taken back already.")
            return redirect(back)
        if not is_confirmed(request):
            return confirm(self, request, _question(standing, request), back)
        done = sum(optout.opt_in(record, timezone.now()) for record in standing)
        messages.success(request, f"Opt-outs taken back: {done}.")
        return None


def _question(standing: list[UnsubscribeRecord], request: HttpRequest) -> Confirmation:
    """What is asked before doctors are written to again."""
    return Confirmation(
        title="Take back an opt-out",
        question="Take back only what the doctor asked for. Write to them again?",
        facts=[
            f"{record.doctor}: {record.get_channel_display() or 'all channels'}, "
            f"{record.get_segment_type_display() or 'all kinds of campaign'}."
            for record in standing
        ],
        button="Take back",
        is_dangerous=True,
        selected=[record.pk for record in standing],
        action=request.POST.get("action", ""),
    )


@admin.register(ConsentRecord)
class ConsentRecordAdmin(DoctorSearchMixin, BigTableMixin, ImportedAdmin[ConsentRecord]):
    """Consent, given and withdrawn. A new fact is a new row; rows are not edited."""

    list_display = ("doctor", "channel", "given", "recorded_at", "source", "entered")
    list_filter = (("channel", ChoicesDropdownFilter),)
    list_select_related = ("doctor", "recorded_by", "import_run")
    autocomplete_fields = ("doctor",)
    add_fieldsets = (
        (
            None,
            {
                "fields": (
                    "doctor",
                    "channel",
                    "is_given",
                    "recorded_at",
                    "source",
                    "text_shown",
                ),
                "description": "The newest record of a doctor's channel holds.",
            },
        ),
    )

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refused: it proves what was said, when, and where."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refused: it proves what was said, when, and where."""
        return False

    def has_import_permission(self, request: HttpRequest) -> bool:
        """A file of consents adds facts, as the form does."""
        return self.has_add_permission(request)

    @display(description="consent", label={"Given": "success", "Withdrawn": "danger"})
    def given(self, record: ConsentRecord) -> str:
        """In words."""
        return "Given" if record.is_given else "Withdrawn"

    @display(description="entered by")
    def entered(self, record: ConsentRecord) -> str:
        """The person, or the file."""
        return str(record.recorded_by or record.import_run or "")

    def save_model(self, request: HttpRequest, obj: ConsentRecord, form: Any, change: Any) -> None:
        """Keep who entered it."""
        obj.recorded_by = request.user if isinstance(request.user, User) else None
        super().save_model(request, obj, form, change)
