"""The inbox: what doctors wrote, what is answered by itself, and what waits for somebody."""

# ruff: noqa: ARG002  overridden signatures are Django's
from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Case, F, QuerySet, When
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.text import Truncator

from messaging import inbound
from messaging.admin.answer import AnswerMixin
from messaging.models import (
    InboundKind,
    InboundMessage,
    KeywordReply,
    MessageDelivery,
    Reply,
    ReplyStatus,
)
from reengage.admin_base import (
    ActionVariant,
    ChoicesDropdownFilter,
    Confirmation,
    DropdownFilter,
    ModelAdmin,
    ModelForm,
    Notice,
    PageExtrasMixin,
    ReadOnlyAdmin,
    Table,
    TextareaWidget,
    action,
    confirm,
    display,
    is_confirmed,
)
from segments.admin.base import link, list_address, when
from segments.admin.search import DoctorSearchMixin

LAST = 10  # messages shown beside one

_QUESTION = Confirmation(
    title="Mark a message as handled",
    question="It leaves the list of what waits. Has the doctor been answered, or needs no answer?",
    button="Mark as handled",
)
_OPT_OUT = Confirmation(
    title="Opt the doctor out",
    question="The doctor gets nothing more on the channel of this message, and the message counts "
    "as handled. Does the doctor want that?",
    button="Opt out",
)
_UNSENT: dict[str, str] = {
    ReplyStatus.FAILED: "The last answer did not go out: it stands below, with why.",
    ReplyStatus.UNKNOWN: "The last answer may have arrived or not: it stands below, with why.",
}
_KIND_WORDS = {
    "stop": "The doctor opted out of this channel. That was done at once.",
    "start": "The doctor came back to this channel. That was done at once.",
    "keyword": "Answered by itself.",
    "doubt": "Somebody has read it.",
    "other": "Somebody has read it.",
}


class WaitingFilter(DropdownFilter):
    """What waits for somebody (idx_inbound_messages_inbox), or was handled."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """The two."""
        return [("waiting", "Waits for somebody"), ("handled", "Handled")]

    def queryset(
        self, request: HttpRequest, received: QuerySet[InboundMessage]
    ) -> QuerySet[InboundMessage]:
        """Keep the chosen ones."""
        if self.value() not in ("waiting", "handled"):
            return received
        return received.filter(handled_at__isnull=self.value() == "waiting")


@admin.register(InboundMessage)
class InboundMessageAdmin(
    DoctorSearchMixin,
    AnswerMixin,
    PageExtrasMixin[InboundMessage],
    ReadOnlyAdmin[InboundMessage],
):
    """Messages from doctors: what waits first, of that what may opt out, then what was handled."""

    list_display = ("words", "who", "channel", "received_at", "state", "kind")
    list_filter = (
        WaitingFilter,
        ("kind", ChoicesDropdownFilter),
        ("channel", ChoicesDropdownFilter),
    )
    list_select_related = ("doctor",)
    actions = ("handle_selected",)
    actions_detail = ("handle", "opt_out")
    fieldsets = (
        (None, {"fields": ("doctor", "sender", "channel", "account", "received_at", "answers")}),
        ("What became of it", {"fields": ("kind", "handled_at", "handled_by")}),
    )
    readonly_fields = ("account", "answers")

    def get_ordering(self, request: HttpRequest) -> Any:
        """By idx_inbound_messages_inbox; only among the few that wait is there more to sort."""
        may_opt_out = Case(
            When(handled_at=None, kind=InboundKind.DOUBT, then=0), default=1
        )  # what a person should see first
        return (F("handled_at").desc(nulls_first=True), may_opt_out.asc(), "-pk")

    def has_handle_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whoever answers doctors."""
        return request.user.has_perm("messaging.handle_inboundmessage")

    @display(description="message")
    def words(self, received: InboundMessage) -> str:
        """How it begins."""
        text = " ".join((received.text or f"[{received.button}]").split()) or "(no text)"
        shown = text if len(text) <= 50 else f"{text[:49]}…"
        return format_html('<span style="overflow-wrap: anywhere">{}</span>', shown)

    @display(description="doctor")
    def who(self, received: InboundMessage) -> str:
        """The doctor; the number where nobody has it."""
        if received.doctor is None and not received.sender:
            return "Somebody who was erased"
        if received.doctor is None:
            return f"Nobody's number: {received.sender}"
        return str(received.doctor)

    @display(description="state", label={"Waits": "warning", "Handled": "success"})
    def state(self, received: InboundMessage) -> str:
        """Whether somebody has to look at it."""
        return "Handled" if received.handled_at else "Waits"

    @display(description="came through")
    def account(self, received: InboundMessage) -> str:
        """The provider, and which account where it has several, as settings call it."""
        kind, _, own = received.provider.partition(":")
        return f"{kind.capitalize()}, account {own}" if own else kind.capitalize()

    @display(description="answers")
    def answers(self, received: InboundMessage) -> str:
        """The doctor's last message on the channel before this one, and its campaign."""
        if received.delivery is None:
            return "No message of ours"
        step = received.delivery.campaign_message
        return link("messaging_messagedelivery", received.delivery_id, f"{step.campaign}: {step}")

    def notices(self, request: HttpRequest, obj: InboundMessage) -> list[Notice]:
        """What is to be done."""
        if obj.handled_at:
            return [Notice("success", _became(obj))]
        lines = [_UNSENT[last.status]] if (last := _last(obj)) and last.status in _UNSENT else []
        if obj.doctor is None:
            lines.append(
                "No doctor has this number, so a wish to opt out has to be entered by hand."
            )
        if obj.kind == InboundKind.DOUBT and obj.doctor:
            lines.append(
                "The doctor may want to opt out: “Opt out” above does it, for this channel."
            )
        lines.append("Answer it below, or by phone or e-mail; then mark it as handled.")
        title = "It waits for somebody to answer it."
        if obj.kind == InboundKind.DOUBT:
            title = "This may be a wish to opt out. It waits for somebody to read it."
        return [Notice("warning", title, lines)]

    def tables(self, request: HttpRequest, obj: InboundMessage) -> list[Table]:
        """What the doctor got and wrote lately."""
        return [_got(obj), _wrote(obj)] if obj.doctor_id else []

    @action(
        description="Mark as handled",
        icon="done",
        permissions=["handle"],
        variant=ActionVariant.PRIMARY,
    )
    def handle(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The button on a message's page."""
        back = reverse("admin:messaging_inboundmessage_change", args=[object_id])
        received = self.get_queryset(request).filter(pk=object_id)
        if received.filter(handled_at=None).exists() and not is_confirmed(request):
            return confirm(self, request, _QUESTION, back)  # a link alone changes nothing
        self._handle(request, received)
        return redirect(back)

    @action(
        description="Opt out",
        icon="unsubscribe",
        permissions=["handle"],
        variant=ActionVariant.DANGER,
    )
    def opt_out(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The button for a wish to opt out that a person read."""
        back = reverse("admin:messaging_inboundmessage_change", args=[object_id])
        if not self.has_handle_permission(request):
            raise PermissionDenied
        received = self.get_queryset(request).filter(pk=object_id)
        waits = received.filter(handled_at=None, doctor__isnull=False)
        if waits.exists() and not is_confirmed(request):
            return confirm(self, request, _OPT_OUT, back)  # a link alone changes nothing
        now = timezone.now()
        if any(inbound.opt_out_writer(each, request.user, now) for each in waits):
            messages.success(request, "The doctor is opted out of this channel.")
        else:
            messages.warning(request, "Nothing to do: handled already, or nobody has the number.")
        return redirect(back)

    @admin.action(description="Mark as handled", permissions=["handle"])
    def handle_selected(self, request: HttpRequest, received: QuerySet[InboundMessage]) -> None:
        """The same for the ticked rows of the list."""
        self._handle(request, received)

    def _handle(self, request: HttpRequest, received: QuerySet[InboundMessage]) -> None:
        if not self.has_handle_permission(request):
            raise PermissionDenied
        now = timezone.now()
        done = sum(inbound.handle(each, request.user, now) for each in received)
        if done:
            messages.success(request, f"Messages marked as handled: {done}.")
        else:
            messages.warning(request, "Nothing to do: handled already.")


def _last(received: InboundMessage) -> Reply | None:
    return received.replies.select_related("written_by").order_by("-pk").first()


def _became(received: InboundMessage) -> str:
    """What became of a message that is handled."""
    last = _last(received)
    if last and not last.is_automatic:
        return f"Answered by {last.who}."
    by = f" Marked by {received.handled_by}." if received.handled_by else ""
    return _KIND_WORDS[received.kind] + by


def _got(received: InboundMessage) -> Table:
    sent = MessageDelivery.objects.filter(doctor=received.doctor, sent_at__isnull=False)
    last = sent.select_related("campaign_message__campaign").order_by("-sent_at")[:LAST]
    return Table(
        title="What the doctor got last",
        headers=("Sent", "Channel", "Message", "State"),
        rows=[
            (
                when(each.sent_at),
                each.get_channel_display(),
                link(
                    "messaging_messagedelivery",
                    each.pk,
                    f"{each.campaign_message.campaign}: {each.campaign_message}",
                ),
                each.get_status_display(),
            )
            for each in last
        ],
        empty="Nothing was sent to this doctor.",
        more=list_address("messaging_messagedelivery", q=received.doctor.external_id)
        if received.doctor
        else "",
    )


def _wrote(received: InboundMessage) -> Table:
    others = InboundMessage.objects.filter(doctor=received.doctor).exclude(pk=received.pk)
    return Table(
        title="What the doctor wrote besides",
        headers=("Received", "Channel", "Message", "State"),
        rows=[
            (
                when(each.received_at),
                each.get_channel_display(),
                link(
                    "messaging_inboundmessage",
                    each.pk,
                    (each.text or f"[{each.button}]")[:80] or "(no text)",
                ),
                "Handled" if each.handled_at else "Waits",
            )
            for each in others.order_by("-pk")[:LAST]
        ],
        empty="Nothing else.",
    )


@admin.register(Reply)
class ReplyAdmin(ReadOnlyAdmin[Reply]):
    """All answers, whoever gave them; one is written on the page of its message."""

    list_display = ("words", "message", "who", "written_at", "status")
    list_filter = (("status", ChoicesDropdownFilter),)
    list_select_related = ("message", "written_by")
    fields = ("answers", "text", "who", "written_at", "status", "sent_at", "error")
    readonly_fields = ("answers", "who")

    @display(description="answer")
    def words(self, reply: Reply) -> str:
        """How it begins."""
        return Truncator(" ".join(reply.text.split())).chars(50) or "(not kept any more)"

    @display(description="answers")
    def answers(self, reply: Reply) -> str:
        """What the doctor wrote."""
        return link("messaging_inboundmessage", reply.message_id, str(reply.message))

    @display(description="by")
    def who(self, reply: Reply) -> str:
        """The person, or the keyword."""
        return reply.who


class KeywordReplyForm(ModelForm[KeywordReply]):
    """A word and its answer."""

    class Meta:
        model = KeywordReply
        fields = ("keyword", "channel", "reply", "is_active")
        widgets = {"reply": TextareaWidget(attrs={"rows": 5})}


@admin.register(KeywordReply)
class KeywordReplyAdmin(ModelAdmin[KeywordReply]):
    """Answers that go out by themselves."""

    form = KeywordReplyForm
    list_display = ("keyword", "channel", "first_words", "is_active")
    list_filter = (("channel", ChoicesDropdownFilter),)
    fieldsets = (
        (
            None,
            {
                "fields": ("keyword", "channel", "reply", "is_active"),
                "description": "STOP and START need no entry: they act by themselves. Variables "
                "are not filled in replies.",
            },
        ),
    )

    @display(description="reply")
    def first_words(self, reply: KeywordReply) -> str:
        """How the answer begins."""
        text = " ".join(reply.reply.split())
        return text if len(text) <= 80 else f"{text[:79]}…"
