"""The button “Send again” of messages without an answer: asks first, for it may come twice."""

# ruff: noqa: ARG002  overridden signatures are Django's
from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone

from messaging.again import NotUnknownError, send_again
from messaging.models import DeliveryStatus, MessageDelivery
from reengage.admin_base import (
    ActionVariant,
    AnyAdmin,
    Confirmation,
    action,
    confirm,
    is_confirmed,
)
from segments.admin.base import when

HOUR = timedelta(hours=1)
# So many of the chosen messages are described one by one.
DESCRIBED = 10


class SendAgainMixin(AnyAdmin):
    """The button of an unknown delivery's page, and the same as an action of the list."""

    actions = ("send_again_selected",)
    actions_detail = ("send_again",)

    def has_send_again_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A permission of its own: a doctor may get the same message twice by it."""
        return request.user.has_perm("messaging.send_again_messagedelivery")

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """Show the button only where there is no answer."""
        delivery = self.get_object(request, object_id)
        if delivery is None or delivery.status != DeliveryStatus.UNKNOWN:
            return []
        buttons: list[Any] = super().get_actions_detail(request, object_id)  # type: ignore[misc]
        return buttons

    @action(
        description="Send again",
        icon="replay",
        variant=ActionVariant.DANGER,
        permissions=["send_again"],
    )
    def send_again(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """One delivery, from its page."""
        page = reverse("admin:messaging_messagedelivery_change", args=[object_id])
        delivery = self.get_object(request, object_id)
        if delivery is None:
            raise Http404
        chosen = self.get_queryset(request).filter(pk=delivery.pk)
        return self._ask_or_send(request, chosen, page) or redirect(page)

    @admin.action(description="Send again (where there was no answer)", permissions=["send_again"])
    def send_again_selected(
        self, request: HttpRequest, chosen: QuerySet[MessageDelivery]
    ) -> HttpResponse | None:
        """The ticked rows of the list."""
        page = reverse("admin:messaging_messagedelivery_changelist")
        return self._ask_or_send(request, chosen, page)

    def _ask_or_send(
        self, request: HttpRequest, chosen: QuerySet[MessageDelivery], back: str
    ) -> HttpResponse | None:
        """Ask first; then schedule those that are unknown still, and say how many."""
        if not self.has_send_again_permission(request):
            raise PermissionDenied
        unknown = list(chosen.filter(status=DeliveryStatus.UNKNOWN).select_related("doctor"))
        if not unknown:
            messages.warning(request, "Nothing to do: every chosen message has got its answer.")
            return redirect(back)
        if not is_confirmed(request):
            return confirm(self, request, _question(unknown, request), back)
        sent = sum(self._send(request, delivery) for delivery in unknown)
        if sent:
            words = "1 message is" if sent == 1 else f"{sent} messages are"
            messages.success(request, f"{words} scheduled again, for when the caps allow it.")
        return None

    def _send(self, request: HttpRequest, delivery: MessageDelivery) -> bool:
        """Whether it was scheduled; if not, says why."""
        try:
            send_again(delivery.pk, request.user.get_username(), timezone.now())
        except NotUnknownError:
            messages.warning(request, f"The message to {delivery.doctor} has got its answer.")
            return False
        self.log_change(request, delivery, "Sent again, though the provider had not answered.")
        return True


def _question(unknown: list[MessageDelivery], request: HttpRequest) -> Confirmation:
    """What is known of each, and what sending again means."""
    several = len(unknown) > 1
    facts = [_facts(delivery) for delivery in unknown[:DESCRIBED]]
    if len(unknown) > DESCRIBED:
        facts.append(f"And {len(unknown) - DESCRIBED} more.")
    hours = settings.CAP_CHANNEL_INTERVAL // HOUR
    counts = "Each attempt so far counts against the frequency caps, as if it had arrived:"
    facts += [
        f"{counts} the next one goes {hours} hours after it at the earliest.",
        "A report until then that the first one arrived settles it, and nothing is sent.",
        "Before it goes, opt-outs, consent, hours and caps are checked again.",
    ]
    return Confirmation(
        title=f"Send again: {len(unknown)} messages" if several else "Send again",
        question=f"{len(unknown)} doctors may have their message already. Send all again?"
        if several
        else "The doctor may have this message already. Send it again?",
        facts=facts,
        button="Send again",
        is_dangerous=True,
        selected=[delivery.pk for delivery in unknown] if request.POST.get("action") else [],
        action=request.POST.get("action", ""),
    )


def _facts(delivery: MessageDelivery) -> str:
    why = (delivery.error_message or "There was no answer").rstrip(".")
    attempt = delivery.attempts.select_related("account").order_by("-pk").first()
    if attempt is None:
        return f"{delivery.doctor}: no attempt is on record. {why}."
    whom = attempt.account or f"the provider of {delivery.get_channel_display()}"
    return (
        f"{delivery.doctor}: handed over on {when(attempt.authorised_at)} to {whom}. {why}. "
        "It may have arrived."
    )
