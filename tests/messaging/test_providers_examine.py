"""What the settings of an account lack: at start, and with `manage.py check_providers`."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from io import StringIO
from typing import Any

import boto3
import pytest
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command

from messaging.approval import need_of
from messaging.checks import check_providers
from messaging.providers import PROVIDERS, instance, provider_for
from messaging.providers.account import Account, Variable
from messaging.providers.base import Need
from messaging.providers.codes import TABLES
from messaging.providers.examine import REPORTS, examine, fictional
from tests.providers.aws import moto_server, sent_of, variables
from tests.providers.fake import serving
from tests.providers.interakt_fake import KEY as INTERAKT_KEY
from tests.providers.sendgrid_fake import KEY as SENDGRID_KEY
from tests.providers.sendgrid_fake import SendGridFake
from tests.providers.smtp_sink import smtp_sink
from tests.providers.twilio_fake import SID, SMS_NUMBER, TOKEN, WHATSAPP_NUMBER, TwilioFake

NOBODY = {"whatsapp": "sandbox", "sms": "sandbox", "email": "sandbox"}


@pytest.fixture(autouse=True)
def _own_settings(settings: Any) -> Iterator[None]:
    settings.MESSAGE_PROVIDERS = NOBODY
    settings.PROVIDER_VARIABLES = {}
    settings.WEBHOOK_KEYS = {}
    settings.TWILIO_ACCOUNT_SID = settings.TWILIO_AUTH_TOKEN = ""
    settings.PUBLIC_BASE_URL = "https://go.clirnet.in"
    settings.DEFAULT_FROM_EMAIL = "CLIRNET <news@clirnet.in>"
    settings.PLATFORM_BASE_URL = "https://clirnet.in"
    instance.cache_clear()
    yield
    instance.cache_clear()


@pytest.fixture
def twilio(settings: Any) -> Iterator[TwilioFake]:
    with serving(TwilioFake()) as fake:
        settings.PROVIDER_VARIABLES = {
            "TWILIO_ACCOUNT_SID": SID,
            "TWILIO_AUTH_TOKEN": TOKEN,
            "TWILIO_SMS_FROM": SMS_NUMBER,
            "TWILIO_WHATSAPP_FROM": WHATSAPP_NUMBER,
            "TWILIO_API_URL": fake.url,
            "TWILIO_MESSAGING_URL": fake.url,
        }
        settings.WEBHOOK_KEYS = {"twilio": [TOKEN]}
        yield fake


def told() -> tuple[str, int]:
    """What the command prints, and its exit code."""
    out = StringIO()
    try:
        call_command("check_providers", stdout=out)
    except SystemExit as end:
        return out.getvalue(), int(end.code or 0)
    return out.getvalue(), 0


def problems(channel: str) -> list[str]:
    return next(found.problems for found in examine() if found.channel == channel)


# --- Accounts --------------------------------------------------------------------------------


def test_variables_of_an_account_bear_its_name(settings: Any) -> None:
    key = Variable("API_KEY", "a key")
    settings.PROVIDER_VARIABLES = {"INTERAKT_API_KEY": "1", "INTERAKT_SECOND_API_KEY": "2"}
    assert [Account(name).get(key) for name in ("interakt", "interakt:second")] == ["1", "2"]
    assert Account("interakt:third").get(key) == ""
    assert Account("interakt:third").get(Variable("API_URL", "", "https://x.in")) == "https://x.in"
    assert list(Account("interakt:third").missing([key], "whatsapp")) == [
        "INTERAKT_THIRD_API_KEY is not set: a key."
    ]


def test_setting_of_its_own_stands_for_the_first_account_only(settings: Any) -> None:
    settings.TWILIO_AUTH_TOKEN = "first"
    token = Variable("AUTH_TOKEN", "the token")
    assert Account("twilio").get(token) == "first"
    assert Account("twilio:second").get(token) == ""


@pytest.mark.parametrize("name", ["twilio:", "twilio:a-b", "twilio:a:b", "none", "", "twilio:é"])
def test_account_of_no_such_name_is_refused(settings: Any, name: str) -> None:
    settings.MESSAGE_PROVIDERS = {**NOBODY, "sms": name}
    with pytest.raises(ImproperlyConfigured, match="MESSAGE_PROVIDERS names "):
        provider_for("sms")


@pytest.mark.parametrize(
    ("channel", "name"),
    [("email", "twilio"), ("sms", "interakt"), ("whatsapp", "sns"), ("sms", "sendgrid")],
)
def test_provider_that_does_not_carry_the_channel_is_refused(
    settings: Any, channel: str, name: str
) -> None:
    settings.MESSAGE_PROVIDERS = {**NOBODY, channel: name}
    with pytest.raises(ImproperlyConfigured, match=f"^{name} does not carry {channel}.$"):
        provider_for(channel)


def test_missing_variable_is_found_at_start(twilio: TwilioFake, settings: Any) -> None:
    settings.MESSAGE_PROVIDERS = {**NOBODY, "sms": "twilio:second"}
    (error,) = check_providers()
    assert error.id == "messaging.E001"
    assert error.msg == (
        "sms goes through twilio:second, but TWILIO_SECOND_ACCOUNT_SID is not set: "
        "the account, AC and 32 digits or a to f."
    )
    assert error.hint == "Set it in the environment."
    assert error in run_checks(tags=["settings"])


def test_sender_of_another_channel_may_be_missing(twilio: TwilioFake, settings: Any) -> None:
    settings.MESSAGE_PROVIDERS = {**NOBODY, "sms": "twilio"}
    del settings.PROVIDER_VARIABLES["TWILIO_WHATSAPP_FROM"]
    assert check_providers() == []
    settings.MESSAGE_PROVIDERS = {**NOBODY, "whatsapp": "twilio"}
    (error,) = check_providers()
    assert "TWILIO_WHATSAPP_FROM is not set" in error.msg


def test_second_account_needs_what_the_first_needs(settings: Any) -> None:
    settings.MESSAGE_PROVIDERS = {**NOBODY, "whatsapp": "twilio:second"}
    assert need_of("whatsapp") is Need.CONTENT_SID
    settings.MESSAGE_PROVIDERS = {**NOBODY, "whatsapp": "interakt:second"}
    assert need_of("whatsapp") is Need.WHATSAPP_NAME


def test_every_provider_but_the_sandbox_has_codes_and_keys() -> None:
    assert set(TABLES) == set(PROVIDERS) - {"sandbox"}
    # SNS and SMTP report nothing.
    assert set(REPORTS) == set(PROVIDERS) - {"sandbox", "smtp", "sns"}


def test_boto_is_not_imported_by_a_process_that_does_not_use_aws() -> None:
    found = subprocess.run(
        [
            sys.executable,
            "-c",
            "import django, sys; django.setup(); print('boto3' in sys.modules)",
        ],
        capture_output=True,
        check=True,
        text=True,
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "reengage.settings",
            "DATABASE_URL": "postgres://nobody@127.0.0.1:1/none",
            "REDIS_URL": "redis://127.0.0.1:1/0",
        },
    )
    assert found.stdout == "False\n"


# --- manage.py check_providers -----------------------------------------------------------------


def test_sandbox_has_no_problems(settings: Any) -> None:
    settings.PUBLIC_BASE_URL = "http://127.0.0.1:8000"  # nothing leaves the machine
    words = (
        "whatsapp: sandbox\n    nothing is wrong.\n"
        "sms: sandbox\n    nothing is wrong.\n"
        "email: sandbox\n    nothing is wrong.\n"
        "Every channel could send now.\n"
    )
    assert told() == (words, 0)


def test_accounts_in_order_have_no_problems_and_nothing_is_sent(
    twilio: TwilioFake, settings: Any
) -> None:
    settings.MESSAGE_PROVIDERS = {**NOBODY, "whatsapp": "twilio", "sms": "twilio"}
    text, code = told()
    assert code == 0, text
    assert text.endswith("Every channel could send now.\n")
    assert {call.method for call in twilio.calls} == {"GET"}
    assert twilio.ledger == []


def test_command_says_what_is_missing_and_fails(settings: Any) -> None:
    settings.MESSAGE_PROVIDERS = {"whatsapp": "interakt", "sms": "sns", "email": "sendgrid:second"}
    text, code = told()
    assert code == 1
    assert text == (
        "whatsapp: interakt\n"
        "    INTERAKT_API_KEY is not set: the secret key of Interakt's developer settings, as it "
        "stands there.\n"
        "    INTERAKT_WEBHOOK_KEYS is not set: the secret key of the webhook in Interakt's "
        "developer settings. Until then no report of interakt is believed.\n"
        "    (Interakt has no call that reads: whether it accepts the key shows with a message.)\n"
        "sms: sns\n"
        "    SNS_SENDER_ID is not set: the registered header, 3 to 11 letters and digits.\n"
        "email: sendgrid:second\n"
        "    SENDGRID_SECOND_API_KEY is not set: a key that may send mail, SG.….\n"
        "    SENDGRID_WEBHOOK_KEYS is not set: the verification key of SendGrid's signed Event "
        "Webhook. Until then no report of sendgrid is believed.\n"
        "5 problems.\n"
    )


@pytest.mark.parametrize(
    ("address", "count"),
    [
        ("https://go.clirnet.in", 0),
        ("http://go.clirnet.in", 1),
        ("http://127.0.0.1:8000", 1),
        ("https://localhost", 1),
        ("https://10.0.0.7", 1),
        ("https://[::1]:8000", 1),
        ("https://office", 1),
    ],
)
def test_address_that_nobody_reaches_is_told(
    twilio: TwilioFake, settings: Any, address: str, count: int
) -> None:
    settings.MESSAGE_PROVIDERS = {**NOBODY, "sms": "twilio"}
    settings.PUBLIC_BASE_URL = address
    text, code = told()
    assert text.count(f"PUBLIC_BASE_URL is {address}") == count
    assert code == (count > 0)


def test_refused_credentials_are_told_and_others_are_still_asked(
    twilio: TwilioFake, settings: Any
) -> None:
    settings.MESSAGE_PROVIDERS = {**NOBODY, "sms": "twilio", "whatsapp": "interakt"}
    settings.PROVIDER_VARIABLES |= {"TWILIO_AUTH_TOKEN": "old", "INTERAKT_API_KEY": INTERAKT_KEY}
    settings.WEBHOOK_KEYS = {"twilio": ["old"], "interakt": ["secret"]}
    assert problems("sms") == ["Twilio does not accept TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN."]
    assert problems("whatsapp") == []


def test_missing_token_is_told_once(settings: Any) -> None:
    """Twilio's reports are signed with it: where it is set, they are believed."""
    settings.MESSAGE_PROVIDERS = {**NOBODY, "sms": "twilio"}
    settings.PROVIDER_VARIABLES = {"TWILIO_ACCOUNT_SID": SID, "TWILIO_SMS_FROM": SMS_NUMBER}
    assert problems("sms") == ["TWILIO_AUTH_TOKEN is not set: the account's auth token."]


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("twillio", "SMS_PROVIDER is “twillio”, which is no account: set it to one of "),
        ("sendgrid", "SMS_PROVIDER is “sendgrid”, which does not carry sms: set it to one of "),
    ],
)
def test_wrong_name_is_told_with_the_right_ones(settings: Any, name: str, problem: str) -> None:
    settings.MESSAGE_PROVIDERS = {**NOBODY, "sms": name}
    assert problems("sms") == [f"{problem}sandbox, sns, twilio."]


def test_india_asks_for_header_and_entity(settings: Any) -> None:
    settings.MESSAGE_PROVIDERS = {**NOBODY, "sms": "sns"}
    settings.SMS_DLT_REQUIRED, settings.SMS_HEADER = True, ""
    settings.PROVIDER_VARIABLES = {"SNS_SENDER_ID": "CLIRNT", "SNS_REGION": "x y"}
    text, code = told()
    assert "SMS_HEADER is not set: the registered header" in text
    assert code == 1
    with moto_server() as moto:
        settings.PROVIDER_VARIABLES = {"SNS_SENDER_ID": "CLIRNT", **variables("SNS", moto)}
        (problem,) = problems("sms")
        assert problem.startswith("SNS_ENTITY_ID is not set")
    instance.cache_clear()
    settings.SMS_DLT_REQUIRED = False
    assert "SMS_HEADER" not in told()[0]


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"SNS_ACCESS_KEY_ID": "key"}, "SNS_SECRET_ACCESS_KEY is not set."),
        ({"SNS_SECRET_ACCESS_KEY": "secret"}, "SNS_ACCESS_KEY_ID is not set."),
        ({"SNS_REGION": "x y"}, "SNS_* cannot be used: Provided region_name 'x y' doesn't match "),
        ({"SNS_ENDPOINT_URL": "nowhere"}, "SNS_* cannot be used: Invalid endpoint: nowhere."),
    ],
)
def test_settings_that_boto3_does_not_take_are_told(
    settings: Any, fields: dict[str, str], problem: str
) -> None:
    settings.MESSAGE_PROVIDERS = {**NOBODY, "sms": "sns"}
    settings.PROVIDER_VARIABLES = {"SNS_SENDER_ID": "CLIRNT", **fields}
    (found,) = problems("sms")
    assert found.startswith(problem)


def test_accounts_that_no_channel_uses_are_looked_at_and_do_not_count(
    twilio: TwilioFake, settings: Any
) -> None:
    settings.PROVIDER_VARIABLES |= {
        "TWILIO_SECOND_ACCOUNT_SID": SID,
        "SENDGRID_BACKUP_API_URL": "http://127.0.0.1:1/",
    }
    settings.WEBHOOK_KEYS = {}
    text, code = told()
    assert code == 0
    assert (
        "sendgrid:backup, which no channel uses now\n"
        "    SENDGRID_BACKUP_API_KEY is not set: a key that may send mail, SG.….\n"
        "twilio, which no channel uses now\n"
        "    TWILIO_AUTH_TOKEN is not set: the account's auth token. Until then no report of "
        "twilio is believed.\n"
        "twilio:second, which no channel uses now\n"
        "    TWILIO_SECOND_AUTH_TOKEN is not set: the account's auth token.\n"
    ) in text
    assert text.endswith("Every channel could send now.\n")
    assert {call.method for call in twilio.calls} == {"GET"}
    assert {call.path.split("/")[-1] for call in twilio.calls} >= {f"{SID}.json", "Senders"}


def test_provider_that_breaks_off_is_a_problem(
    twilio: TwilioFake, settings: Any, monkeypatch: Any
) -> None:
    settings.MESSAGE_PROVIDERS = {**NOBODY, "sms": "twilio"}
    monkeypatch.setattr(PROVIDERS["twilio"], "problems", lambda *_: 1 / 0)
    assert problems("sms") == ["twilio could not be asked: see the log."]


def test_sendgrid_and_ses_are_asked(settings: Any) -> None:
    settings.WEBHOOK_KEYS = {"sendgrid": ["key"], "amazon_ses": ["user:password"]}
    with serving(SendGridFake()) as fake, moto_server() as moto:
        settings.PROVIDER_VARIABLES = {
            "SENDGRID_API_KEY": SENDGRID_KEY,
            "SENDGRID_API_URL": f"{fake.url}/v3/",
            **variables("SES", moto),
        }
        settings.MESSAGE_PROVIDERS = {**NOBODY, "email": "sendgrid"}
        assert problems("email") == []
        assert [call.path for call in fake.calls] == ["/v3/scopes"]
        settings.MESSAGE_PROVIDERS = {**NOBODY, "email": "ses"}
        unreported, *others = problems("email")
        assert unreported.startswith("SES_CONFIGURATION_SET is not set: ")
        assert others == [
            "The account is in the sandbox of SES: it sends to verified addresses only.",
            "DEFAULT_FROM_EMAIL: the domain clirnet.in is not an identity of the account.",
        ]
        client = boto3.client("sesv2", "ap-south-1", **sent_of(moto))
        client.create_email_identity(EmailIdentity="clirnet.in")
        *_, problem = problems("email")
        assert problem == "DEFAULT_FROM_EMAIL: the domain clirnet.in is not verified."


def test_smtp_is_asked_without_a_mail(settings: Any) -> None:
    settings.MESSAGE_PROVIDERS = {**NOBODY, "email": "smtp:second"}
    with smtp_sink() as sink:
        settings.PROVIDER_VARIABLES = {"SMTP_SECOND_URL": sink.url}
        assert problems("email") == []
        assert sink.counts()["connections"] == 1
        assert sink.ledger() == []
    instance.cache_clear()
    (problem,) = problems("email")
    assert problem.startswith("127.0.0.1 does not let us in: ConnectionRefusedError")


def test_second_mail_server_that_is_no_address_is_named(settings: Any) -> None:
    settings.MESSAGE_PROVIDERS = {**NOBODY, "email": "smtp:second"}
    settings.PROVIDER_VARIABLES = {"SMTP_SECOND_URL": "mail.clirnet.in"}
    (problem,) = problems("email")
    assert problem.startswith("SMTP_SECOND_URL must look like ")


def test_examine_tells_of_addresses_that_are_still_the_examples(settings: Any) -> None:
    settings.MESSAGE_PROVIDERS = {**NOBODY, "sms": "twilio"}
    settings.PLATFORM_BASE_URL = "https://clirnet.example"
    settings.DEFAULT_FROM_EMAIL = "CLIRNET <news@clirnet.example>"
    assert [line.partition(" ")[0] for line in fictional()][:1] == ["PLATFORM_BASE_URL"]
    assert not any("DEFAULT_FROM_EMAIL" in line for line in fictional())  # nobody sees it
    settings.MESSAGE_PROVIDERS = {**NOBODY, "email": "smtp"}
    said = [line.partition(" ")[0] for line in fictional()]
    assert said == ["PLATFORM_BASE_URL", "DEFAULT_FROM_EMAIL"]
    assert told()[1] == 1


def test_examine_calls_a_malformed_account_malformed_and_does_not_repeat_it(
    twilio: TwilioFake, settings: Any
) -> None:
    settings.MESSAGE_PROVIDERS = {**NOBODY, "sms": "twilio"}
    settings.PROVIDER_VARIABLES = {**settings.PROVIDER_VARIABLES, "TWILIO_ACCOUNT_SID": "ACxx"}
    text, code = told()
    assert "TWILIO_ACCOUNT_SID is malformed; it is the account, AC and 32" in text
    assert (code, "ACxx" in text) == (1, False)
