"""The conversation on the page of a doctor's message: what was said, and the box to answer in."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.timesince import timeuntil
from django.views.decorators.cache import never_cache

from messaging import inbound_answer, sms
from messaging.models import UNDER_WAY, Channel, InboundMessage, ReplyStatus
from messaging.models.inbound import wrong_with
from reengage.admin_base import AnyAdmin, TextareaWidget, User
from segments.admin.base import when


class AnswerForm(forms.Form):
    """What is to be sent. `seen`: which answers were there when the box was made."""

    text = forms.CharField(
        label="Your answer",
        widget=TextareaWidget(attrs={"rows": 5, "aria-describedby": "inbox-count inbox-until"}),
        error_messages={"required": "Write an answer first."},
    )
    seen = forms.CharField(required=False, max_length=100)

    def clean_text(self) -> str:
        """As it goes out. ValidationError: too long, with variables, or with a foreign link."""
        text = str(self.cleaned_data["text"]).replace("\r\n", "\n")
        if len(text) > inbound_answer.MOST:
            raise ValidationError(
                f"It has {len(text):,} characters; an answer has {inbound_answer.MOST:,} at most."
            )
        if wrong := wrong_with(text):
            raise ValidationError(wrong)
        return text


class AnswerMixin(AnyAdmin):
    """The conversation above a message's page, the address that answers, and one that tells."""

    change_form_outer_before_template = "messaging/inbox/top.html"

    def get_urls(self) -> list[URLPattern]:
        """With the two addresses of the box."""
        wrap = self.admin_site.admin_view
        return [
            path(
                "<uuid:key>/answer/", wrap(self.answer_view), name="messaging_inboundmessage_answer"
            ),
            path(
                "<uuid:key>/answer/state/",
                wrap(never_cache(self.answer_state)),
                name="messaging_inboundmessage_answer_state",
            ),
            *super().get_urls(),
        ]

    def answer_view(self, request: HttpRequest, key: Any) -> HttpResponse:
        """Queue an answer; what cannot be sent is shown again, with why."""
        if not self.has_handle_permission(request):  # type: ignore[attr-defined]  # its admin's
            raise PermissionDenied
        received = self._received(request, key)
        back = reverse("admin:messaging_inboundmessage_change", args=[received.pk])
        if request.method != "POST":
            return redirect(back)
        form = AnswerForm(request.POST)
        if form.is_valid() and self._answered(request, received, form):
            return redirect(back)
        received.refresh_from_db()
        context = {
            **self.admin_site.each_context(request),
            "title": f"Answer: {received.doctor or received.sender}",
            "opts": self.model._meta,  # noqa: SLF001  Django's
            "inbox": self.conversation(request, received, form),
            "back": back,
        }
        return TemplateResponse(request, "messaging/inbox/answer.html", context)

    def answer_state(self, request: HttpRequest, key: Any) -> JsonResponse:
        """Whether an answer is still on its way, for the page that waits for it."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        return JsonResponse({"under_way": inbound_answer.under_way(self._received(request, key))})

    def conversation(
        self, request: HttpRequest, received: InboundMessage, form: AnswerForm | None = None
    ) -> dict[str, Any]:
        """What the box shows: both sides, and whether, until when and how much may be written."""
        now = timezone.now()
        prospect = inbound_answer.prospect(received, now)
        replies = list(received.replies.select_related("written_by").order_by("pk"))
        last = replies[-1] if replies else None
        return {
            "received": received,
            "replies": replies,
            "may_write": self.has_handle_permission(request),  # type: ignore[attr-defined]
            "prospect": prospect,
            "left": timeuntil(prospect.until, now) if prospect.until else "",
            "until": when(prospect.until) if prospect.until else "",
            "is_under_way": bool(last and last.status in UNDER_WAY),
            "may_have_arrived": bool(last and last.status == ReplyStatus.UNKNOWN),
            "form": form or AnswerForm(),
            "seen": inbound_answer.seen(received),
            "most": inbound_answer.MOST,
            "gsm": _alphabet() if received.channel == Channel.SMS else None,
        }

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Hand it to the page."""
        if received := context.get("original"):
            context["inbox"] = self.conversation(request, received)
        return super().render_change_form(request, context, *args, **kwargs)

    def _received(self, request: HttpRequest, key: Any) -> InboundMessage:
        received: InboundMessage | None = self.get_object(request, str(key))
        if received is None:
            raise Http404
        return received

    def _answered(self, request: HttpRequest, received: InboundMessage, form: AnswerForm) -> bool:
        """Whether it is on its way; if not, the form says why."""
        assert isinstance(request.user, User)  # noqa: S101  who has a permission is somebody
        said = form.cleaned_data
        try:
            inbound_answer.answer(
                received, said["text"], request.user, said["seen"], timezone.now()
            )
        except inbound_answer.AnswerError as error:
            form.add_error(None, str(error))
            return False
        messages.success(request, "The answer is on its way. The message counts as handled.")
        return True


def _alphabet() -> dict[str, Any]:
    """What the page counts an SMS by."""
    return {
        "basic": "".join(sorted(sms.GSM_BASIC)),
        "extension": "".join(sorted(sms.GSM_EXTENSION)),
        "capacity": sms.CAPACITY,
    }
