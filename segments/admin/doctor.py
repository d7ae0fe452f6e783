"""Doctors, and where each of them stands.

What they got and did is their timeline, which messaging/admin/timeline.py adds to the page.
"""

# ruff: noqa: ARG002  overridden signatures are Django's
from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.html import format_html

from reengage.admin_base import (
    ActionVariant,
    BigTableMixin,
    DropdownFilter,
    ModelForm,
    Notice,
    PageExtrasMixin,
    Table,
    action,
)
from reengage.admin_base import display as column
from segments import erased
from segments.admin.base import ImportedAdmin, link, list_address, when
from segments.admin.search import SEARCH_HELP, doctor_ids
from segments.models import Doctor, ErasedPerson

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


class DoctorForm(ModelForm[Doctor]):
    """A doctor entered by hand: refused where imports refuse the person, in the same words."""

    class Meta:
        model = Doctor
        fields = "__all__"

    def _post_clean(self) -> None:
        """After the values have been put on the doctor. What stays as it was is not asked about.

        One number may belong to several people: whoever had it before keeps it.
        """
        super()._post_clean()  # type: ignore[misc]  # the stubs lack it
        try:
            told = erased.register().refusals(self.instance, self.changed_data)
        except erased.LostKeyError as error:
            told = {"__all__": str(error)}
        for field, words in told.items():
            self.add_error(None if field == "__all__" else field, ValidationError(words))


@admin.register(Doctor)
class DoctorAdmin(PageExtrasMixin[Doctor], BigTableMixin, ImportedAdmin[Doctor]):
    """The people who are written to."""

    form = DoctorForm
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
    actions_detail: tuple[str, ...] = ("export_data", "erase")
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

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refused for who was erased: nobody writes a name into that row again."""
        return super().has_change_permission(request, obj) and not _was_erased(obj)

    def has_export_data_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A permission of its own: it hands out everything at once."""
        may = request.user.has_perm("segments.export_data_doctor")
        return may and not _was_erased(obj)

    def has_erase_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A permission of its own: nothing brings the data back."""
        return request.user.has_perm("segments.erase_doctor") and not _was_erased(obj)

    @action(description="Export all data", icon="download", permissions=["export_data"])
    def export_data(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The button that leads to the page of it (messaging/admin/privacy.py)."""
        return redirect("admin:doctor_data", _key(object_id))

    @action(
        description="Erase",
        icon="person_remove",
        variant=ActionVariant.DANGER,
        permissions=["erase"],
    )
    def erase(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The button that leads to the page that asks."""
        return redirect("admin:doctor_erase", _key(object_id))

    def notices(self, request: HttpRequest, doctor: Doctor) -> list[Notice]:
        """Say first that the doctor was erased, or what the doctor does not want."""
        if person := getattr(doctor, "erased", None):
            return [_erased_notice(person)]
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
        """The campaigns, the segments and the consents; messages are on the timeline above."""
        return [
            _enrollments(doctor),
            _segments(doctor),
            _consents(doctor),
        ]


def _key(object_id: str) -> int:
    """The number in an address; what is none is no doctor's."""
    if not (object_id.isascii() and object_id.isdecimal()):
        raise Http404
    return int(object_id)


def _was_erased(doctor: Any) -> bool:
    """Of a doctor, or of a key as the theme's buttons have it; of none: False."""
    if isinstance(doctor, Doctor):
        return getattr(doctor, "erased", None) is not None
    return str(doctor).isdecimal() and ErasedPerson.objects.filter(doctor=doctor).exists()


def _erased_notice(person: ErasedPerson) -> Notice:
    return Notice(
        "warning",
        f"Erased on {when(person.erased_at)}.",
        [
            "The row stays for the figures and cannot be edited.",
            "Nothing is sent to the person, and imports and forms refuse them.",
            "Should they wish to come back, delete their entry under “Erased persons” first.",
        ],
    )


def _enrollments(doctor: Doctor) -> Table:
    rows = doctor.enrollments.select_related("campaign").order_by("-pk")[:SHOWN_ROWS]
    return Table(
        title=f"Last {SHOWN_ROWS} enrolments",
        headers=("Campaign", "About", "Enrolled", "Status", "Came back", "Messages"),
        rows=[
            (
                link("campaigns_campaignenrollment", row.pk, row.campaign),
                row.subject,
                when(row.enrolled_at),
                row.get_status_display(),
                when(row.converted_at),
                _why(row.pk),
            )
            for row in rows
        ],
        empty="Never enrolled in a campaign.",
        more=list_address("campaigns_campaignenrollment", doctor__id__exact=doctor.pk),
    )


def _why(enrollment_id: object) -> str:
    """The way to what the campaign sends to the doctor, and what holds it back."""
    page = reverse("admin:campaigns_campaignenrollment_why", args=[enrollment_id])
    return format_html('<a href="{}">Why (not)?</a>', page)


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
