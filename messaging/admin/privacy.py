"""A doctor's own data: given out whole, or erased; and who was erased."""

# ruff: noqa: ARG002  overridden signatures are Django's
from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, DELETION, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from messaging.privacy import erase, export, summary
from reengage.admin_base import (
    Notice,
    PageExtrasMixin,
    ReadOnlyAdmin,
    TextInputWidget,
    User,
)
from segments.models import Doctor, ErasedPerson

# The page holds no script and loads nothing.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"


class ConfirmForm(forms.Form):
    """Whoever erases types whom: a second look at the right row."""

    external_id = forms.CharField(
        label="CLIRNET id of the doctor",
        max_length=64,
        widget=TextInputWidget(attrs={"autocomplete": "off", "autofocus": True}),
    )

    def __init__(self, *args: Any, expected: str, **kwargs: Any) -> None:
        """`expected`: the id that has to be typed."""
        super().__init__(*args, **kwargs)
        self.expected = expected

    def clean_external_id(self) -> str:
        """The id, where it is the doctor's."""
        typed = str(self.cleaned_data["external_id"]).strip()
        if typed != self.expected:
            raise forms.ValidationError("This is not the doctor's CLIRNET id, as it stands above.")
        return typed


@admin.register(ErasedPerson)
class ErasedPersonAdmin(PageExtrasMixin[ErasedPerson], ReadOnlyAdmin[ErasedPerson]):
    """Who was erased, without a name. Deleting a row lets the person come back."""

    list_display = ("erased_at", "doctor", "erased_by")
    list_select_related = ("doctor", "erased_by")
    fields = ("erased_at", "doctor", "erased_by", "key_id")

    def get_urls(self) -> list[URLPattern]:
        """With the pages of one doctor's data."""
        wrap = self.admin_site.admin_view
        return [
            path("doctor/<int:doctor_id>/data/", wrap(self.data_view), name="doctor_data"),
            path("doctor/<int:doctor_id>/erase/", wrap(self.erase_view), name="doctor_erase"),
            *super().get_urls(),
        ]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whoever may erase may undo what keeps the person away."""
        return request.user.has_perm("segments.erase_doctor")

    def notices(self, request: HttpRequest, obj: ErasedPerson) -> list[Notice]:
        """What deleting means."""
        return [
            Notice(
                "info",
                "This is all that is left of the person: keyed hashes, which recognise them in a "
                "file so that no import brings them back.",
                [
                    (
                        "If the person wishes to come back, delete this entry: from then on "
                        "imports take them again, as somebody new. What was erased stays erased."
                    ),
                    "Who deletes it, and when, is kept in the history.",
                ],
            )
        ]

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        """Under a label that names nobody."""
        entries = [_log(request, person, DELETION, "May be imported again.") for person in queryset]
        return entries[0] if len(entries) == 1 else entries

    def data_view(self, request: HttpRequest, doctor_id: int) -> HttpResponseBase:
        """What is known, in numbers; a POST hands all of it out, and the history says so."""
        if not request.user.has_perm("segments.export_data_doctor"):
            raise PermissionDenied
        doctor = _doctor(doctor_id)
        if hasattr(doctor, "erased"):
            return _erased_already(request, doctor)
        if request.method != "POST":
            context = {
                **self._page(request, doctor),
                "title": f"Export all data: {doctor}",
                "counts": export.counts(doctor),
            }
            return TemplateResponse(request, "messaging/privacy/data.html", context)
        _log(request, doctor, CHANGE, "Exported all data.")
        return _handed_out(doctor, is_page=request.POST.get("as") == "page")

    def erase_view(self, request: HttpRequest, doctor_id: int) -> HttpResponse:
        """Say what goes and what stays, and ask for the doctor's id; then erase."""
        if not request.user.has_perm("segments.erase_doctor"):
            raise PermissionDenied
        doctor = _doctor(doctor_id)
        if hasattr(doctor, "erased"):
            return _erased_already(request, doctor)
        form = ConfirmForm(request.POST or None, expected=doctor.external_id)
        if form.is_valid() and self._erase(request, doctor):
            return redirect("admin:segments_doctor_change", doctor.pk)
        context = {
            **self._page(request, doctor),
            "title": f"Erase: {doctor}",
            "form": form,
            "summary": summary.of(doctor),
        }
        return TemplateResponse(request, "messaging/privacy/erase.html", context)

    def _page(self, request: HttpRequest, doctor: Doctor) -> dict[str, Any]:
        return {
            **self.admin_site.each_context(request),
            "opts": Doctor._meta,  # noqa: SLF001  Django's
            "doctor": doctor,
            "back": reverse("admin:segments_doctor_change", args=[doctor.pk]),
        }

    def _erase(self, request: HttpRequest, doctor: Doctor) -> bool:
        try:
            person = erase.erase(doctor.pk, timezone.now(), _user(request))
        except erase.ErasureError as error:
            messages.error(request, str(error))
            return False
        _log(request, doctor, CHANGE, "Erased.")
        _log(request, person, CHANGE, "Erased.")
        messages.success(request, "Erased. Figures stay as they were.")
        return True


def _erased_already(request: HttpRequest, doctor: Doctor) -> HttpResponse:
    messages.warning(request, "This doctor was erased already: nothing personal is left.")
    return redirect("admin:segments_doctor_change", doctor.pk)


def _doctor(doctor_id: int) -> Doctor:
    doctor = Doctor.objects.filter(pk=doctor_id).first()
    if doctor is None:
        raise Http404
    return doctor


def _user(request: HttpRequest) -> User:
    """Who asks; whoever has a permission is somebody."""
    if not isinstance(request.user, User):
        raise PermissionDenied
    return request.user


def _log(request: HttpRequest, row: Model, flag: int, message: str) -> LogEntry:
    """An entry of the history without anything personal: Django's own takes the row's name."""
    return LogEntry.objects.create(
        user=_user(request),
        content_type=ContentType.objects.get_for_model(type(row)),
        object_id=str(row.pk),
        object_repr=f"{row._meta.verbose_name} {row.pk}".capitalize(),  # noqa: SLF001
        action_flag=flag,
        change_message=message,
    )


def _handed_out(doctor: Doctor, *, is_page: bool) -> StreamingHttpResponse:
    now = timezone.localtime()
    if is_page:
        response = StreamingHttpResponse(
            export.as_page(doctor, now), content_type="text/html; charset=utf-8"
        )
        response["Content-Security-Policy"] = _POLICY
    else:
        response = StreamingHttpResponse(
            export.as_json(doctor, now), content_type="application/json"
        )
        response["Content-Disposition"] = f'attachment; filename="doctor-{doctor.pk}.json"'
    response["Cache-Control"] = "no-store"
    return response
