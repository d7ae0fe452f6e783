"""Messages without an answer: the button that sends them again, and who may press it."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, User
from django.test import Client

from campaigns.schedule import schedule_due
from messaging.authorize import authorize_due
from messaging.models import DeliveryAttempt, MessageDelivery, ProviderAccount
from messaging.providers.base import Unknown
from reengage.initial import create_missing
from reengage.roles import GROUPS
from tests import engine
from tests.admin.world import messages_of, page, staff
from tests.engine import NOW

pytestmark = pytest.mark.django_db

VIEW = "messaging.view_messagedelivery"
SEND_AGAIN = "messaging.send_again_messagedelivery"


def unknown(count: int = 1) -> list[MessageDelivery]:
    """Messages that the provider of SMS has not answered."""
    account, _ = ProviderAccount.objects.get_or_create(channel="sms", provider="sandbox")
    engine.enrolled(count, days=(0,), channels=("sms",))
    schedule_due(NOW)
    claims = authorize_due("sms", NOW, account_id=account.pk).claims
    engine.answer(claims, [Unknown("read timeout")] * len(claims), NOW)
    found = list(MessageDelivery.objects.order_by("pk"))
    assert {delivery.status for delivery in found} == {"unknown"}
    return found


def button(delivery: MessageDelivery) -> str:
    return page(MessageDelivery, "change", delivery.pk).replace("change", "send_again")


def selected(*deliveries: MessageDelivery) -> dict[str, Any]:
    return {
        "action": "send_again_selected",
        "_selected_action": [str(delivery.pk) for delivery in deliveries],
    }


def statuses() -> set[str]:
    return set(MessageDelivery.objects.values_list("status", flat=True))


def test_button_asks_first_and_says_what_is_known(admin_client: Client) -> None:
    (delivery,) = unknown()
    response = admin_client.get(button(delivery))
    confirmation = response.context["confirmation"]
    assert confirmation.question == "The doctor may have this message already. Send it again?"
    handed_over = "handed over on 04 Mar 2026, 12:00 to SMS via sandbox"
    counts = (
        "Each attempt so far counts against the frequency caps, as if it had arrived: the next one "
        "goes 24 hours after it at the earliest."
    )
    assert confirmation.facts == [
        f"{delivery.doctor}: {handed_over}. read timeout. It may have arrived.",
        counts,
        "A report until then that the first one arrived settles it, and nothing is sent.",
        "Before it goes, opt-outs, consent, hours and caps are checked again.",
    ]
    assert statuses() == {"unknown"}


def test_button_schedules_again_and_keeps_who_decided_it(admin_client: Client) -> None:
    (delivery,) = unknown()
    response = admin_client.post(button(delivery), {"confirmed": "yes"}, follow=True)
    assert messages_of(response) == ["1 message is scheduled again, for when the caps allow it."]
    delivery.refresh_from_db()
    assert delivery.status == "scheduled"
    attempt = delivery.attempts.get()
    assert attempt.outcome == "written_off"
    assert attempt.error_message.startswith("Sent again by admin")
    entry = LogEntry.objects.get()
    assert (entry.object_id, entry.user.username) == (str(delivery.pk), "admin")
    assert entry.get_change_message() == "Sent again, though the provider had not answered."
    history = admin_client.get(page(MessageDelivery, "history", delivery.pk)).content.decode()
    assert "Sent again, though the provider had not answered." in history
    shown = admin_client.get(page(MessageDelivery, "change", delivery.pk)).content.decode()
    assert "No answer, sent again by hand" in shown
    assert attempt.error_message in shown


def test_button_pressed_twice_sends_once(admin_client: Client) -> None:
    (delivery,) = unknown()
    admin_client.post(button(delivery), {"confirmed": "yes"}, follow=True)
    again = admin_client.post(button(delivery), {"confirmed": "yes"}, follow=True)
    assert messages_of(again) == ["Nothing to do: every chosen message has got its answer."]
    assert LogEntry.objects.count() == 1


def test_message_that_gets_its_answer_meanwhile_is_left_alone(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    (delivery,) = unknown()

    def answered_first(delivery_id: Any, by: str, now: Any) -> None:
        DeliveryAttempt.objects.update(outcome="accepted")
        MessageDelivery.objects.update(status="delivered")
        monkeypatch.undo()
        from messaging.admin import again  # noqa: PLC0415  the real one, now

        again.send_again(delivery_id, by, now)

    monkeypatch.setattr("messaging.admin.again.send_again", answered_first)
    response = admin_client.post(button(delivery), {"confirmed": "yes"}, follow=True)
    assert messages_of(response) == [f"The message to {delivery.doctor} has got its answer."]
    assert statuses() == {"delivered"}
    assert not LogEntry.objects.exists()


def test_button_is_shown_for_unknown_messages_only(admin_client: Client) -> None:
    (delivery,) = unknown()
    shown = page(MessageDelivery, "change", delivery.pk)
    assert button(delivery) in admin_client.get(shown).content.decode()
    MessageDelivery.objects.update(status="delivered")
    assert button(delivery) not in admin_client.get(shown).content.decode()


@pytest.mark.parametrize("from_list", [False, True])
def test_sending_again_needs_its_own_permission(from_list: bool) -> None:
    (delivery,) = unknown()
    client = staff(VIEW, "messaging.change_messagedelivery")
    assert (
        button(delivery)
        not in client.get(page(MessageDelivery, "change", delivery.pk)).content.decode()
    )
    if from_list:
        client.post(page(MessageDelivery), {**selected(delivery), "confirmed": "yes"})
    else:
        assert client.post(button(delivery), {"confirmed": "yes"}).status_code == 403
    assert statuses() == {"unknown"}


def test_whoever_has_the_permission_needs_no_other_to_send_again() -> None:
    (delivery,) = unknown()
    client = staff(VIEW, SEND_AGAIN)
    client.post(button(delivery), {"confirmed": "yes"})
    assert statuses() == {"scheduled"}
    assert DeliveryAttempt.objects.get().error_message.startswith("Sent again by marketer")


def test_list_sends_the_ticked_ones_again(admin_client: Client) -> None:
    first, second, third = unknown(3)
    asked = admin_client.post(page(MessageDelivery), selected(first, second))
    confirmation = asked.context["confirmation"]
    assert confirmation.question == "2 doctors may have their message already. Send all again?"
    assert confirmation.title == "Send again: 2 messages"
    form = {
        "action": confirmation.action,
        "_selected_action": [str(key) for key in confirmation.selected],
        "confirmed": "yes",
    }
    done = admin_client.post(page(MessageDelivery), form, follow=True)
    assert messages_of(done) == ["2 messages are scheduled again, for when the caps allow it."]
    third.refresh_from_db()
    assert third.status == "unknown"
    assert LogEntry.objects.count() == 2


def test_list_describes_no_more_than_ten(admin_client: Client) -> None:
    chosen = unknown(12)
    asked = admin_client.post(page(MessageDelivery), selected(*chosen))
    facts = asked.context["confirmation"].facts
    assert len(facts) == 14
    assert facts[10] == "And 2 more."


def test_list_says_so_where_nothing_is_unknown(admin_client: Client) -> None:
    (delivery,) = unknown()
    MessageDelivery.objects.update(status="delivered")
    response = admin_client.post(page(MessageDelivery), selected(delivery), follow=True)
    assert messages_of(response) == ["Nothing to do: every chosen message has got its answer."]


def test_sent_again_message_goes_out_by_all_the_rules(admin_client: Client) -> None:
    (delivery,) = unknown()
    admin_client.post(button(delivery), {"confirmed": "yes"})
    engine.send_all(NOW)
    delivery.refresh_from_db()  # the attempt without an answer still spends the channel's day
    assert delivery.status == "scheduled"
    assert delivery.scheduled_at == NOW + timedelta(days=1)
    engine.send_all(NOW + timedelta(days=1))
    delivery.refresh_from_db()
    assert delivery.status == "sent"


def test_groups_get_the_permissions_they_are_to_have() -> None:
    create_missing()
    own = {
        name: set(
            Group.objects.get(name=name).permissions.values_list("content_type__model", "codename")
        )
        for name in GROUPS
    }
    again = ("messagedelivery", "send_again_messagedelivery")
    check = ("auditrun", "add_auditrun")
    assert {name for name, granted in own.items() if again in granted} == {
        "Marketer",
        "Support",
    }
    assert {name for name, granted in own.items() if check in granted} == {"Marketer", "Support"}
    for granted in own.values():
        assert ("auditrun", "view_auditrun") in granted
        assert ("messagedelivery", "view_messagedelivery") in granted
    analyst = {codename.split("_")[0] for _, codename in own["Analyst"]}
    assert analyst == {"view", "receive"}  # the weekly review, by e-mail
    clerk = User.objects.create_user("clerk", is_staff=True)
    clerk.groups.add(Group.objects.get(name="Support"))
    assert clerk.has_perm(SEND_AGAIN)


def test_verb_of_a_group_is_a_whole_word() -> None:
    """A model whose name ends another's gets nothing by it, nor does half a verb."""
    create_missing()
    marketer = Group.objects.get(name="Marketer")
    granted = set(marketer.permissions.values_list("codename", flat=True))
    assert {"view_campaign", "add_campaign", "change_campaign"} <= granted
    assert "delete_campaign" not in granted
    assert "delete_campaignmessage" in granted
    assert "change_messagedelivery" not in granted
