"""Doctors, and what each of them gets."""

# ruff: noqa: ARG002  overridden signatures are Django's
from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from reengage.admin_base import BigTableMixin, DropdownFilter, Notice, PageExtrasMixin, Table
from reengage.admin_base import display as column
from segments.admin.base import ImportedAdmin, link, list_address, when
from segments.admin.search import SEARCH_HELP, doctor_ids
from segments.models import Doctor

SHOWN_ROWS = 20


class SpecialtyFilter(DropdownFilter):
    """Doctors of one specialty (served by the index on it)."""

    title = "specialty"
    parameter_name = "specialty"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Every specialty that a doctor has."""
        names = Doctor.objects.exclude(specialty="").order_by("specialty")
        return [(name, name) for name in names.values_list("specialty", flat=True).distinct()]

    def queryset(self, request: HttpRequest, doctors: QuerySet[Doctor]) -> QuerySet[Doctor]:
        """Keep those of the chosen specialty."""
        return doctors.filter(specialty=self.value()) if self.value() else doctors


@admin.register(Doctor)
class DoctorAdmin(PageExtrasMixin[Doctor], BigTableMixin, ImportedAdmin[Doctor]):
    """The people who are written to."""

    list_display = (
        "name",
        "external_id",
        "email",
        "phone",
        "specialty",
        "location",
        "last_active_at",
    )
    list_filter = (SpecialtyFilter,)
    search_exact = search_fields = ("external_id",)
    search_help_text = SEARCH_HELP
    readonly_fields = ("created_at", "updated_at")
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "external_id",
                    "title",
                    ("first_name", "last_name"),
                    ("specialty", "location"),
                    "last_active_at",
                )
            },
        ),
        ("How to reach them", {"fields": ("email", ("phone", "whatsapp"), "timezone")}),
        ("Permission", {"fields": ("may_be_named",)}),
        ("Record", {"fields": (("created_at", "updated_at"),)}),
    )

    @column(description="name")
    def name(self, doctor: Doctor) -> str:
        """The doctor's full name."""
        return f"Dr. {doctor.first_name} {doctor.last_name}".strip()

    def matches(self, term: str) -> list[QuerySet[Any, Any]]:
        """Search by id, phone, e-mail or the start of the last name."""
        return [Doctor.objects.filter(pk__in=doctor_ids(term)).order_by().values("pk")]

    def notices(self, request: HttpRequest, doctor: Doctor) -> list[Notice]:
        """Say first what the doctor does not want."""
        wishes = [
            f"{record.get_channel_display() or 'All channels'}, "
            f"{record.get_segment_type_display() or 'every kind of campaign'}, "
            f"since {when(record.unsubscribed_at)} (by {record.source})."
            for record in doctor.unsubscribes.filter(revoked_at=None)
        ]
        if not wishes:
            return []
        return [Notice("warning", "This doctor does not want to be written to:", wishes)]

    def tables(self, request: HttpRequest, doctor: Doctor) -> list[Table]:
        """The last messages, the campaigns, the segments and the consents."""
        return [
            _deliveries(doctor),
            _enrollments(doctor),
            _segments(doctor),
            _consents(doctor),
        ]


def _deliveries(doctor: Doctor) -> Table:
    rows = doctor.deliveries.select_related("enrollment__campaign", "campaign_message")
    return Table(
        title=f"Last {SHOWN_ROWS} messages",
        headers=("Message", "Campaign", "Planned for", "Sent", "Status", "Why"),
        rows=[
            (
                link("messaging_messagedelivery", row.pk, row.campaign_message),
                row.enrollment.campaign,
                when(row.scheduled_at),
                when(row.sent_at),
                row.get_status_display(),
                row.get_skip_reason_display() or row.error_message,
            )
            for row in rows.order_by("-pk")[:SHOWN_ROWS]
        ],
        empty="Nothing was sent or planned so far.",
        more=list_address("messaging_messagedelivery", doctor__id__exact=doctor.pk),
    )


def _enrollments(doctor: Doctor) -> Table:
    rows = doctor.enrollments.select_related("campaign").order_by("-pk")[:SHOWN_ROWS]
    return Table(
        title=f"Last {SHOWN_ROWS} enrolments",
        headers=("Campaign", "About", "Enrolled", "Status", "Came back"),
        rows=[
            (
                link("campaigns_campaignenrollment", row.pk, row.campaign),
                row.subject,
                when(row.enrolled_at),
                row.get_status_display(),
                when(row.converted_at),
            )
            for row in rows
        ],
        empty="Never enrolled in a campaign.",
        more=list_address("campaigns_campaignenrollment", doctor__id__exact=doctor.pk),
    )


def _segments(doctor: Doctor) -> Table:
    return Table(
        title="Segments",
        headers=("Segment", "About", "Quiet since", "Calculated"),
        rows=[
            (
                row.get_segment_type_display(),
                row.subject,
                when(row.inactive_since),
                when(row.calculated_at),
            )
            for row in doctor.segments.order_by("segment_type")
        ],
        empty="In no segment.",
    )


def _consents(doctor: Doctor) -> Table:
    return Table(
        title="Consent",
        headers=("Channel", "Given", "Said on", "Source"),
        rows=[
            (
                row.get_channel_display(),
                "yes" if row.is_given else "withdrawn",
                when(row.recorded_at),
                row.source,
            )
            for row in doctor.consents.order_by("-recorded_at")[:SHOWN_ROWS]
        ],
        empty="No consent is on record.",
        more=list_address("messaging_consentrecord", doctor__id__exact=doctor.pk),
    )
