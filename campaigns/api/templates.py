"""Texts: written, checked, and looked at as a doctor would get them."""

# ruff: noqa: ARG001  ninja hands each operation the request
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import ProtectedError
from django.http import Http404, HttpResponse
from django.utils import timezone
from ninja import Router, Status

from campaigns.api import audit
from campaigns.api.auth import Asked, Key, need
from campaigns.api.errors import Problem, faults_of, invalid
from campaigns.api.idempotency import IfOnce, once
from campaigns.api.pagination import Pages, page
from campaigns.api.shapes import Text
from campaigns.api.template_shapes import (
    FIELDS,
    SHOWN,
    Checked,
    DraftIn,
    Preview,
    PreviewIn,
    SavedPreviewIn,
    TemplateChange,
    TemplateIn,
    TemplateOut,
    TemplatePage,
)
from campaigns.models import ApiKey, ApiScope
from messaging import preview, versions
from messaging.audience.members import Audience, sample_variables
from messaging.models import Channel, MessageTemplate, TemplateVersion
from messaging.models.template import MEASURED
from messaging.syntax import Finding
from messaging.tasks import ask_when_saved
from messaging.validation import Draft, check_template
from messaging.validation.characters import cannot_be_stored
from segments.models import Doctor, SegmentType

router = Router(tags=["Templates"])

READ = Key(ApiScope.TEMPLATES_READ, "messaging.view_messagetemplate")
ADD = Key(ApiScope.TEMPLATES_WRITE, "messaging.add_messagetemplate")
CHANGE = Key(ApiScope.TEMPLATES_WRITE, "messaging.change_messagetemplate")
DELETE = Key(ApiScope.TEMPLATES_WRITE, "messaging.delete_messagetemplate")
SEE_DOCTORS = "segments.view_doctor"


@router.get("", auth=READ, response=TemplatePage, summary="List templates")
def list_templates(
    request: Asked,
    paging: Pages,
    channel: Channel | None = None,
    segment_type: SegmentType | None = None,
) -> dict[str, Any]:
    """Newest first."""
    found = MessageTemplate.objects.all()
    if channel:
        found = found.filter(channel=channel)
    if segment_type:
        found = found.filter(segment_type=segment_type)
    return page(found, paging)


@router.post("", auth=ADD, response={201: TemplateOut}, summary="Make a template")
def create_template(request: Asked, template: TemplateIn, name: IfOnce = None) -> HttpResponse:
    """A text with errors is refused, each error in words; warnings do not keep it."""

    def make() -> TemplateOut:
        made = MessageTemplate()
        _save(request.auth, made, template.given())
        audit.note(request.auth, made, "Made.", audit.ADDITION)
        return TemplateOut.from_orm(made)

    return once(request, name, make, 201)


@router.post("/validate", auth=READ, response=Checked, summary="Check a text")
def validate(request: Asked, draft: DraftIn) -> dict[str, Any]:
    """As saving would check it. Nothing is saved."""
    return _checked(draft.draft())


@router.post("/preview", auth=READ, response=Preview, summary="Look at a text that is not saved")
def preview_draft(request: Asked, draft: PreviewIn) -> dict[str, Any]:
    """As a doctor of the segment would get it. Nothing is saved or sent."""
    return _preview(request.auth, draft.draft(), draft.doctor_id)


@router.get("/{template_key}", auth=READ, response=TemplateOut, summary="Read a template")
def read_template(request: Asked, template_key: Text) -> MessageTemplate:
    """By its key."""
    return _find(template_key)


@router.patch("/{template_key}", auth=CHANGE, response=TemplateOut, summary="Change a template")
def change_template(request: Asked, template_key: Text, change: TemplateChange) -> MessageTemplate:
    """What is left out stays. Each change is a version, signed by the key's owner."""
    found = _find(template_key)
    with transaction.atomic():
        template = versions.lock(found.pk)
        if change.version and (later := versions.saved_since(template.pk, change.version)):
            said = " ".join(map(versions.who_saved, later))
            raise Problem(409, f"{said} Look at it, and change that.", kind="changed-meanwhile")
        fields = change.given()
        fields.pop("version", None)
        _save(request.auth, template, fields)
        audit.note(request.auth, template, f"Changed {', '.join(sorted(fields)) or 'nothing'}.")
    return template


@router.delete("/{template_key}", auth=DELETE, response={204: None}, summary="Delete a template")
def delete_template(request: Asked, template_key: Text) -> Status[None]:
    """One that no campaign sends, nor has sent."""
    template = _find(template_key)
    try:
        with transaction.atomic():
            audit.note(request.auth, template, "Deleted.", audit.DELETION)
            template.delete()
    except ProtectedError:
        said = "Campaigns send it, or have sent it: it stays."
        raise Problem(409, said, kind="in-use") from None
    return Status(204, None)


@router.get(
    "/{template_key}/validate", auth=READ, response=Checked, summary="Check a saved template"
)
def validate_template(request: Asked, template_key: Text) -> dict[str, Any]:
    """What is wrong with it now."""
    return _checked(_find(template_key).draft())


@router.post(
    "/{template_key}/preview", auth=READ, response=Preview, summary="Look at a saved template"
)
def preview_template(request: Asked, template_key: Text, whom: SavedPreviewIn) -> dict[str, Any]:
    """As a doctor of the segment would get it. Nothing is sent."""
    return _preview(request.auth, _find(template_key).draft(), whom.doctor_id)


# Addresses that check a text which is not saved; a template may have one of these keys, too.
_TAKEN = ("validate", "preview")


def _reach(key: str) -> None:
    """Have a template of this key answered at its address: by method, beside what POST does."""

    def read(request: Asked) -> MessageTemplate:
        return read_template(request, key)

    def change(request: Asked, change: TemplateChange) -> MessageTemplate:
        return change_template(request, key, change)

    def delete(request: Asked) -> Status[None]:
        return delete_template(request, key)

    # Described once, as /{template_key}.
    router.get(f"/{key}", auth=READ, response=TemplateOut, include_in_schema=False)(read)
    router.patch(f"/{key}", auth=CHANGE, response=TemplateOut, include_in_schema=False)(change)
    router.delete(f"/{key}", auth=DELETE, response={204: None}, include_in_schema=False)(delete)


for _key in _TAKEN:
    _reach(_key)


def _find(key: str) -> MessageTemplate:
    found = None if cannot_be_stored(key) else MessageTemplate.objects.filter(template_key=key)
    template = found.first() if found is not None else None
    if template is None:
        raise Http404
    return template


def _save(key: ApiKey, template: MessageTemplate, given: Mapping[str, Any]) -> None:
    """Check, save and sign it, and have the provider asked whether it is approved."""
    for name, value in given.items():
        setattr(template, FIELDS.get(name, name), "" if value is None else value)
    try:
        template.full_clean()
    except ValidationError as error:
        renamed = {SHOWN.get(name, name): e for name, e in error.error_dict.items()}
        raise Problem(422, faults=faults_of(ValidationError(renamed))) from error
    with transaction.atomic():
        template.save()
        TemplateVersion.objects.sign(template, key.owner)
        ask_when_saved(template)


def _checked(draft: Draft) -> dict[str, Any]:
    people = sample_variables(draft.segment_type, timezone.now(), MEASURED)
    findings = check_template(draft, people if draft.channel == Channel.SMS else ())
    valid = all(finding.level != "error" for finding in findings)
    return {"valid": valid, "findings": list(map(_finding, findings))}


def _finding(finding: Finding) -> dict[str, Any]:
    told = finding._asdict()
    return {**told, "field": SHOWN.get(finding.field, finding.field)}


def _preview(key: ApiKey, draft: Draft, doctor_id: str | None) -> dict[str, Any]:
    now = timezone.now()
    person = _person(key, Audience(draft.segment_type, (draft.channel,), now), doctor_id)
    sight = preview.look(draft, person, now)
    found = {"doctor_id": person.doctor.external_id if person.doctor else None}
    return {
        "person": {**found, "note": person.note},
        "verdict": preview.verdict(person, sight),
        "skipped": bool(sight.missing),
        "findings": list(map(_finding, sight.findings)),
        "parts": dict(sight.parts),
    }


def _person(key: ApiKey, audience: Audience, doctor_id: str | None) -> preview.Person:
    """The doctor asked for, or the first; without the right to see doctors, the examples."""
    if doctor_id is None:
        if key.owner.has_perm(SEE_DOCTORS):
            return preview.nth_doctor(audience, 1)
        return preview.example(audience.segment_type, "You may not see doctors.")
    need(key, SEE_DOCTORS)
    pk = Doctor.objects.filter(external_id=doctor_id).values_list("pk", flat=True).first()
    if pk is None:
        raise invalid("There is no doctor with this id.", "doctor_id")
    person = preview.chosen_doctor(audience, pk)
    if person.doctor is None or person.doctor.pk != pk:  # somebody else stands in
        said = "This doctor is not in the segment now: name another one, or none for its first."
        raise invalid(said, "doctor_id")
    return person
