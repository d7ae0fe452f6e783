"""Provider accounts: how they do in words, how fast they may go, and trying again by hand."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.admin.models import LogEntry
from django.test import Client

from messaging import accounts
from messaging.admin.account import account_choices, state_of, state_words
from messaging.models import MessageDelivery, ProviderAccount
from messaging.providers.base import Accepted, Refused, Unknown
from tests import engine
from tests.admin.world import messages_of, page, staff
from tests.engine import NOW

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


def account(**fields: Any) -> ProviderAccount:
    return ProviderAccount.objects.create(channel="sms", provider="sandbox", **fields)


def waiting() -> ProviderAccount:
    """One whose provider has not answered five times in a row."""
    made = account()
    accounts.note(accounts.admit("sms", 5, NOW), [Unknown("timeout")] * 5, NOW)
    made.refresh_from_db()
    assert made.closed_until is not None
    return made


def button(of: ProviderAccount) -> str:
    return page(ProviderAccount, "change", of.pk).replace("change", "try_again")


def form(**fields: Any) -> dict[str, Any]:
    return {"rate_per_second": "", "burst": "1", "price_per_message": "0", **fields}


def test_state_is_told_in_words() -> None:
    made = account()
    assert (state_of(made, NOW), state_words(made, NOW)) == ("well", "Well: messages go out.")
    made.is_paused = True
    assert state_of(made, NOW) == "paused"
    assert state_words(made, NOW).startswith("Paused by hand")


def test_open_breaker_says_until_when_why_and_how_often() -> None:
    made = waiting()
    assert made.closed_until == NOW + timedelta(seconds=30)
    made.closed_until = NOW + 5 * MINUTE
    assert state_words(made, NOW) == (
        "Waits until 12:05: the provider did not answer clearly: timeout (5 times in a row)"
    )
    made.closed_until = NOW + timedelta(days=1)
    assert state_words(made, NOW).startswith("Waits until 05 Mar, 12:00: ")
    assert state_of(made, made.closed_until) == "tries"
    assert state_words(made, made.closed_until).startswith("One message tries whether")


def test_wish_of_the_provider_to_wait_is_no_failure() -> None:
    made = account()
    busy = Refused("429", "too many requests", permanent=False, is_throttle=True)
    accounts.note(accounts.admit("sms", 1, NOW), [busy], NOW)
    made.refresh_from_db()
    assert state_words(made, NOW) == (
        "Waits until 12:00: the provider refused: too many requests (429)"
    )


def test_list_shows_each_state(admin_client: Client) -> None:
    waiting()
    ProviderAccount.objects.create(channel="email", provider="sandbox", is_paused=True)
    ProviderAccount.objects.create(
        channel="whatsapp", provider="sandbox", rate_per_second=20, burst=100
    )
    html = admin_client.get(page(ProviderAccount)).content.decode()
    for words in ("Well", "Paused by hand", "Waits until 12:00: ", "20, 100 at once"):
        assert words in html


def test_rate_and_burst_take_effect_at_once(admin_client: Client) -> None:
    made = account()
    assert accounts.admit("sms", 500, NOW).messages == 500
    url = page(ProviderAccount, "change", made.pk)
    admin_client.post(url, form(rate_per_second="10", burst="40", price_per_message="0.25"))
    made.refresh_from_db()
    assert (made.rate_per_second, made.burst, str(made.price_per_message)) == (10, 40, "0.2500")
    taken = accounts.admit("sms", 500, NOW).messages
    assert taken <= 40
    later = NOW + MINUTE
    assert accounts.admit("sms", 500, later).messages == 40
    admin_client.post(url, form(rate_per_second="10", burst="5", price_per_message="0.25"))
    assert accounts.admit("sms", 500, later + MINUTE).messages == 5
    admin_client.post(url, form(price_per_message="0.25"))
    assert accounts.admit("sms", 500, later + MINUTE).messages == 500


@pytest.mark.parametrize(
    ("field", "value"), [("rate_per_second", "0"), ("rate_per_second", "-1"), ("burst", "0")]
)
def test_limit_that_lets_nothing_through_is_refused(
    field: str, value: str, admin_client: Client
) -> None:
    made = account()
    response = admin_client.post(page(ProviderAccount, "change", made.pk), form(**{field: value}))
    assert field in response.context["adminform"].form.errors
    made.refresh_from_db()
    assert (made.rate_per_second, made.burst) == (None, 1)


def test_saving_leaves_what_workers_write_alone(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = account()
    save = ProviderAccount.save

    def noted_meanwhile(self: ProviderAccount, **options: Any) -> None:
        accounts.note(accounts.admit("sms", 5, NOW), [Unknown("timeout")] * 5, NOW)
        save(self, **options)

    monkeypatch.setattr(ProviderAccount, "save", noted_meanwhile)
    admin_client.post(page(ProviderAccount, "change", made.pk), form(price_per_message="0.5"))
    made.refresh_from_db()
    assert (made.failures_in_row, str(made.price_per_message)) == (5, "0.5000")
    assert made.closed_until is not None


def test_paused_by_hand_holds_the_channel(admin_client: Client) -> None:
    made = account()
    admin_client.post(page(ProviderAccount, "change", made.pk), form(is_paused="on"))
    assert accounts.admit("sms", 1, NOW).why == "The account is paused by hand."


def test_bucket_is_shown_as_it_is_now(admin_client: Client) -> None:
    made = account(rate_per_second=2, burst=50, tokens=10, tokens_at=NOW - timedelta(seconds=5))
    html = admin_client.get(page(ProviderAccount, "change", made.pk)).content.decode()
    assert "20 of 50" in html


def test_new_account_is_made_with_its_limits(admin_client: Client) -> None:
    assert admin_client.get(page(ProviderAccount, "add")).status_code == 200
    fields = form(channel="email", provider="smtp", rate_per_second="5", burst="10")
    admin_client.post(page(ProviderAccount, "add"), fields)
    made = ProviderAccount.objects.get()
    assert (made.channel, made.provider, made.rate_per_second, made.burst) == (
        "email",
        "smtp",
        5,
        10,
    )


def test_accounts_of_the_settings_are_offered_with_what_they_carry(settings: Any) -> None:
    settings.MESSAGE_PROVIDERS = {
        "whatsapp": "twilio:second",
        "sms": "twilio:second",
        "email": "sandbox",
    }
    settings.PROVIDER_VARIABLES = {
        "TWILIO_SECOND_ACCOUNT_SID": "AC1",
        "SMTP_BACKUP_URL": "smtp://127.0.0.1",
        "SNS_EMPTY_SENDER_ID": "",
        "SENDGRID_WEBHOOK_KEYS": "no account",
    }
    assert account_choices() == [
        ("interakt", "interakt: not used now, could carry WhatsApp"),
        ("sandbox", "sandbox: E-mail goes through it now"),
        ("sendgrid", "sendgrid: not used now, could carry E-mail"),
        ("ses", "ses: not used now, could carry E-mail"),
        ("smtp", "smtp: not used now, could carry E-mail"),
        ("smtp:backup", "smtp:backup: not used now, could carry E-mail"),
        ("sns", "sns: not used now, could carry SMS"),
        ("twilio", "twilio: not used now, could carry WhatsApp or SMS"),
        ("twilio:second", "twilio:second: WhatsApp and SMS go through it now"),
    ]


def test_second_account_gets_limits_of_its_own(admin_client: Client, settings: Any) -> None:
    settings.PROVIDER_VARIABLES = {"TWILIO_SECOND_ACCOUNT_SID": "AC1"}
    fields = form(channel="sms", provider="twilio:second", rate_per_second="5")
    admin_client.post(page(ProviderAccount, "add"), fields)
    assert ProviderAccount.objects.get().provider == "twilio:second"
    fields = form(channel="sms", provider="twilio:third")
    answer = admin_client.post(page(ProviderAccount, "add"), fields)
    assert "provider" in answer.context["adminform"].form.errors


def test_account_for_a_channel_that_it_does_not_carry_is_refused(admin_client: Client) -> None:
    fields = form(channel="sms", provider="sendgrid")
    answer = admin_client.post(page(ProviderAccount, "add"), fields)
    assert answer.context["adminform"].form.errors == {
        "provider": ["sendgrid does not carry SMS, only E-mail."]
    }
    assert not ProviderAccount.objects.exists()


def test_trying_again_asks_first_and_closes_the_breaker(admin_client: Client) -> None:
    made = waiting()
    asked = admin_client.get(button(made))
    assert asked.context["confirmation"].facts == [state_words(made, NOW)]
    assert accounts.admit("sms", 5, NOW).messages == 0
    done = admin_client.post(button(made), {"confirmed": "yes"}, follow=True)
    assert messages_of(done) == ["SMS via sandbox is tried again with the next round."]
    assert accounts.admit("sms", 5, NOW).messages == 5
    assert LogEntry.objects.get().get_change_message() == "Tried again by hand."


def test_trying_again_is_offered_where_there_is_something_to_try(admin_client: Client) -> None:
    made = waiting()
    url = page(ProviderAccount, "change", made.pk)
    assert button(made) in admin_client.get(url).content.decode()
    accounts.note(accounts.Allowance(1, made.pk, is_unwell=True), [Accepted("1")], NOW)
    with time_machine.travel(NOW + MINUTE, tick=False):
        assert button(made) not in admin_client.get(url).content.decode()


def test_trying_again_needs_permission_to_change() -> None:
    made = waiting()
    client = staff("messaging.view_provideraccount")
    assert client.get(page(ProviderAccount, "change", made.pk)).status_code == 200
    assert client.post(button(made), {"confirmed": "yes"}).status_code == 403
    made.refresh_from_db()
    assert made.failures_in_row == 5


def overdue() -> str:
    (enrollment,) = engine.enrolled(days=(0,), channels=("sms",))
    engine.schedule_due(NOW)
    return page(MessageDelivery, "change", MessageDelivery.objects.get(enrollment=enrollment).pk)


def notices(client: Client, url: str) -> list[tuple[str, list[str]]]:
    return [(one.title, list(one.lines)) for one in client.get(url).context["notices"]]


def test_overdue_message_says_what_it_waits_for(admin_client: Client) -> None:
    made = waiting()
    url = overdue()
    assert notices(admin_client, url)[1:] == [
        ("Its time has come. SMS via sandbox:", [state_words(made, NOW)])
    ]
    ProviderAccount.objects.update(is_paused=True)
    assert notices(admin_client, url)[1][1] == [
        "Paused by hand: its messages wait. Nothing fails and nothing is lost."
    ]


def test_overdue_message_of_a_channel_that_is_well_goes_soon(admin_client: Client) -> None:
    account()
    url = overdue()
    assert notices(admin_client, url)[1:] == [
        ("Its time has come: it goes with one of the next rounds.", [])
    ]
    MessageDelivery.objects.update(scheduled_at=NOW + MINUTE)
    assert notices(admin_client, url)[1:] == []
