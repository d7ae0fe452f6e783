"""The editor of templates: its form, and the three addresses that its page asks while typing."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

from django import forms
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied, ValidationError
from django.forms.fields import InvalidJSONInput
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path, reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from messaging import catalogue, preview, trial
from messaging.audience.members import Audience
from messaging.models import Channel, MessageTemplate
from messaging.preview import Person
from messaging.syntax import Finding
from messaging.validation import Draft
from messaging.validation.draft import DEFAULTS
from reengage.admin_base import AnyAdmin, ModelForm, TextareaWidget
from segments.admin.search import SEARCH_HELP, doctor_ids
from segments.definitions import DEFINITIONS
from segments.models import Doctor

MOST_FOUND = 10
HOW = "Choose a variable for each default, and write a plain text beside it."
ABSENT = (
    "What stands where a doctor has no value, such as “your field” for specialty. Without a "
    "default that doctor's message is skipped."
)
# Fields that have no meaning on a channel.
NOT_FOR: dict[str, frozenset[str]] = {
    Channel.EMAIL: frozenset({"max_sms_segments"}),
    Channel.SMS: frozenset({"subject_line", "preheader"}),
    Channel.WHATSAPP: frozenset({"subject_line", "preheader", "max_sms_segments"}),
}


class PairsField(forms.JSONField):
    """Django's, which breaks over a number of 5,000 digits and a thousand brackets."""

    def to_python(self, value: Any) -> Any:
        """ValidationError: no JSON that can be read."""
        try:
            return _writable(super().to_python(value))
        except (ValueError, RecursionError):
            raise ValidationError(HOW, code="invalid") from None

    def bound_data(self, data: Any, initial: Any) -> Any:
        """What is shown again after a refusal: as it was typed."""
        try:
            return _writable(super().bound_data(data, initial))
        except (ValueError, RecursionError):
            return InvalidJSONInput(data)


def _writable(found: Any) -> Any:
    """What was read. UnicodeEncodeError, a ValueError: it has half a character in it.

    JSON can say "\\ud800"; neither the database nor a page can hold it.
    """
    json.dumps(found, ensure_ascii=False).encode()
    return found


class TemplateForm(ModelForm[MessageTemplate]):
    """The template's form; what a channel has not may be left out of it."""

    class Meta:
        model = MessageTemplate
        fields = "__all__"
        field_classes = {"defaults": PairsField}
        help_texts = {"defaults": ABSENT}
        widgets = {"defaults": TextareaWidget(attrs={"rows": 3, "data-editor-defaults": ""})}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if field := self.fields.get("max_sms_segments"):
            field.required = False

    def clean_max_sms_segments(self) -> int:
        """Left empty it stays what it is."""
        number: int | None = self.cleaned_data["max_sms_segments"]
        return self.instance.max_sms_segments if number is None else number


class EditorMixin(AnyAdmin):
    """A panel beside the form with the variables and a live preview, and a test on request."""

    form = TemplateForm
    change_form_template = "admin/messaging/messagetemplate/change_form.html"
    compressed_fields = False  # labels above: the text needs the width

    class Media:
        css = {"all": ("messaging/editor.css",)}

    def get_fieldsets(self, request: HttpRequest, obj: MessageTemplate | None = None) -> Any:
        """Only what the channel has; a new template has every field until its channel is chosen."""
        sets = super().get_fieldsets(request, obj)
        absent = NOT_FOR.get(obj.channel, frozenset()) if obj else frozenset()
        return [
            (name, {**options, "fields": _without(options["fields"], absent)})
            for name, options in sets
        ]

    def get_urls(self) -> list[Any]:
        """The addresses that the page asks."""
        pages: list[tuple[str, Callable[[HttpRequest], HttpResponse]]] = [
            ("preview", self.preview_view),
            ("doctors", self.doctors_view),
            ("trial", self.trial_view),
        ]
        own = [
            path(
                f"{name}/",
                self.admin_site.admin_view(require_POST(never_cache(view))),
                name=f"messaging_messagetemplate_{name}",
            )
            for name, view in pages
        ]
        return own + super().get_urls()

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Hand the page what its script needs."""
        template = context.get("original")
        may_test = self.has_change_permission(request, template)
        context["editor"] = _page_data(request, template, may_test=may_test)
        context["wrong"] = [field for field in context["adminform"].form if field.errors]
        return super().render_change_form(request, context, *args, **kwargs)

    def preview_view(self, request: HttpRequest) -> HttpResponse:
        """What the text as typed would be for the doctor shown. Changes nothing."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        draft, wrong = draft_of(request)
        if not draft.channel:
            return JsonResponse({"note": "Choose a channel to see the message."})
        now = timezone.now()
        person = _person(request, draft)
        answer = preview.as_json(person, preview.look(draft, person, now))
        answer["findings"] = [
            {**finding._asdict(), "words": str(finding)} for finding in wrong
        ] + answer["findings"]
        return JsonResponse({"channel": draft.channel, **answer})

    def doctors_view(self, request: HttpRequest) -> HttpResponse:
        """Doctors of the segment whom the term names: at most MOST_FOUND."""
        if not (self.has_view_permission(request) and _may_see_doctors(request)):
            raise PermissionDenied
        draft, _ = draft_of(request)
        term = request.POST.get("term", "").strip().replace("\x00", "")
        if not term or draft.segment_type not in DEFINITIONS:
            return JsonResponse({"doctors": []})
        members = _audience(draft).among(doctor_ids(term))[:MOST_FOUND]
        named = Doctor.objects.in_bulk([member.doctor_id for member in members])
        found = [{"doctor": pk, "name": str(doctor)} for pk, doctor in named.items()]
        return JsonResponse({"doctors": sorted(found, key=lambda row: str(row["name"]))})

    def trial_view(self, request: HttpRequest) -> HttpResponse:
        """Send the text as typed to an address of the user's own, as a test."""
        if not self.has_change_permission(request):
            raise PermissionDenied
        draft, wrong = draft_of(request)
        if wrong or not draft.channel:
            words = str(wrong[0]) if wrong else "Choose a channel first."
            return JsonResponse({"level": "error", "words": words})
        try:
            recipient = trial.address(draft.channel, request.POST.get("address", ""))
        except trial.AddressError as error:
            return JsonResponse({"level": "error", "words": str(error)})
        kind = "email" if draft.channel == Channel.EMAIL else "phone"
        request.session[f"trial:{kind}"] = recipient
        outcome = trial.send_trial(
            draft,
            _person(request, draft),
            recipient,
            int(request.user.pk or 0),
            timezone.now(),
            saved=template_of(request),
        )
        if outcome.was_sent:
            _log(request, draft, recipient, outcome)
        return JsonResponse(
            {"level": outcome.level, "words": outcome.words, "kept": _kept(request, outcome)}
        )


def _kept(request: HttpRequest, outcome: trial.Outcome) -> str:
    """The page of what the sandbox kept, for somebody who may see it."""
    if outcome.kept is None or not request.user.has_perm("messaging.view_sandboxmessage"):
        return ""
    return reverse("admin:messaging_sandboxmessage_change", args=[outcome.kept])


def _page_data(
    request: HttpRequest, template: MessageTemplate | None, *, may_test: bool
) -> dict[str, Any]:
    segment = template.segment_type if template else ""
    email = request.session.get("trial:email") or getattr(request.user, "email", "")
    return {
        "template": str(template.pk) if template else "",
        "channel": template.channel if template else "",
        "segment": segment,
        "notFor": {channel: sorted(names) for channel, names in NOT_FOR.items()},
        "variables": [
            asdict(variable)
            for variable in (catalogue.of_segment(segment) if segment else catalogue.CATALOGUE)
        ],
        "addresses": {"email": email, "phone": request.session.get("trial:phone", "")},
        "searchHelp": SEARCH_HELP,
        "urls": {
            name: reverse(f"admin:messaging_messagetemplate_{name}")
            for name in ("preview", "doctors", "trial")
        },
        "mayTest": may_test,
        "maySeeDoctors": _may_see_doctors(request),
    }


def _log(request: HttpRequest, draft: Draft, recipient: str, outcome: trial.Outcome) -> None:
    template = template_of(request)
    channel = Channel(draft.channel).label
    LogEntry.objects.create(
        user_id=int(request.user.pk or 0),
        content_type=ContentType.objects.get_for_model(MessageTemplate),
        object_id=str(template.pk) if template else None,
        object_repr=str(template or "A template that is not saved yet")[:200],
        action_flag=CHANGE,
        change_message=f"Test over {channel} to {trial.masked(recipient)}. {outcome.words}",
    )


def template_of(request: HttpRequest) -> MessageTemplate | None:
    """The saved template that the form is about, None on the page of a new one."""
    key = request.POST.get("template", "")
    try:
        return MessageTemplate.objects.filter(pk=key).first() if key else None
    except ValidationError:  # not a key
        return None


def draft_of(request: HttpRequest) -> tuple[Draft, list[Finding]]:
    """The form's values, the saved ones for what it has not, and what cannot be read."""
    template = template_of(request)
    saved = template.draft(_days(template)) if template else Draft(channel="", content="")
    defaults, wrong = _defaults(request.POST.get("defaults"), saved)
    channel = saved.channel or request.POST.get("channel", "")
    segment = saved.segment_type or request.POST.get("segment_type", "")

    def typed(name: str, otherwise: str) -> str:
        return request.POST.get(name, otherwise).replace("\r\n", "\n").replace("\x00", "")

    draft = replace(
        saved,
        channel=channel if channel in Channel.values else "",
        content=typed("template_content", saved.content),
        subject=typed("subject_line", saved.subject),
        preheader=typed("preheader", saved.preheader),
        segment_type=segment if segment in DEFINITIONS else "",
        defaults=defaults,
        max_sms_segments=_number(request, "max_sms_segments", saved.max_sms_segments),
    )
    return draft, wrong


def _without(fields: Any, absent: frozenset[str]) -> tuple[Any, ...]:
    """Rows of a fieldset without some names; a row may hold several."""
    kept = (
        name if isinstance(name, str) else tuple(n for n in name if n not in absent)
        for name in fields
    )
    return tuple(name for name in kept if name and name not in absent)


def _may_see_doctors(request: HttpRequest) -> bool:
    return request.user.has_perm("segments.view_doctor")


def _days(template: MessageTemplate) -> tuple[int, ...]:
    """On which days campaigns send it."""
    return tuple(sorted(set(template.steps.values_list("delay_days", flat=True))))


def _audience(draft: Draft) -> Audience:
    return Audience(draft.segment_type, (draft.channel,), timezone.now())


def _person(request: HttpRequest, draft: Draft) -> Person:
    """Whom the request wants to see: a doctor by key or by place, or the examples."""
    if not draft.segment_type:
        return preview.example("", "Choose a segment to see its doctors.")
    if not _may_see_doctors(request):
        return preview.example(draft.segment_type, "You may not see doctors.")
    if doctor := _number(request, "doctor", 0):
        is_counted = bool(request.POST.get("counted"))
        return preview.chosen_doctor(_audience(draft), doctor, is_counted=is_counted)
    return preview.nth_doctor(_audience(draft), _number(request, "place", 1))


def _number(request: HttpRequest, name: str, otherwise: int) -> int:
    """A whole number that a database can hold, else `otherwise`."""
    text = request.POST.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else otherwise


def _defaults(text: str | None, saved: Draft) -> tuple[Any, list[Finding]]:
    """The defaults as typed; none, and a finding, where they cannot be read."""
    if text is None:
        return saved.defaults, []
    try:
        return _writable(json.loads(text)) if text.strip() else {}, []
    except (ValueError, RecursionError):
        return {}, [Finding("error", DEFAULTS, None, "The defaults cannot be read.", HOW)]
