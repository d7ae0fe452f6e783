"""The editor of templates: its page, and what the page asks."""

import json
import re
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from messaging.models import (
    MessageDelivery,
    MessageTemplate,
    ProviderAccount,
    SandboxMessage,
    UnsubscribeRecord,
)
from tests import engine
from tests.admin.world import page, staff

pytestmark = pytest.mark.django_db
SEGMENT = "unclaimed_certificates"
ALL = ("messaging.view_messagetemplate", "messaging.change_messagetemplate")
SEES = ("messaging.view_messagetemplate", "segments.view_doctor")


@pytest.fixture(autouse=True)
def _empty_cache() -> None:
    cache.clear()


def template(channel: str = "sms", **fields: Any) -> MessageTemplate:
    made = engine.campaign(days=(0,), channels=(channel,)).steps.get().template
    for name, value in fields.items():
        setattr(made, name, value)
    made.save()
    return made


def ask(client: Client, name: str, **values: Any) -> Any:
    return client.post(reverse(f"admin:messaging_messagetemplate_{name}"), values)


def editor_data(client: Client, url: str) -> Any:
    html = client.get(url).content.decode()
    found = re.search(r'<script id="editor-data" type="application/json">(.*?)</script>', html)
    assert found is not None
    return json.loads(found[1])


# --- the page -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("channel", "has", "lacks"),
    [
        ("email", {"subject_line", "preheader"}, {"max_sms_segments"}),
        ("sms", {"max_sms_segments"}, {"subject_line", "preheader"}),
        ("whatsapp", set(), {"subject_line", "preheader", "max_sms_segments"}),
    ],
)
def test_form_has_the_fields_of_the_channel(
    channel: str, has: set[str], lacks: set[str], admin_client: Client
) -> None:
    made = template(channel)
    html = admin_client.get(page(MessageTemplate, "change", made.pk)).content.decode()
    names = set(re.findall(r'name="(\w+)"', html))
    assert has | {"title", "template_content", "defaults"} <= names
    assert not lacks & names


def test_catalogue_has_the_variables_of_the_segment(admin_client: Client) -> None:
    data = editor_data(admin_client, page(MessageTemplate, "change", template().pk))
    names = [variable["name"] for variable in data["variables"]]
    assert "certificate_expiry_date" in names or "session_name" in names
    assert "course_name" not in names
    for variable in data["variables"]:
        assert variable["description"]
        assert variable["example"]
        assert variable["source"]
    everything = editor_data(admin_client, page(MessageTemplate, "add"))
    assert "course_name" in [variable["name"] for variable in everything["variables"]]


def test_user_who_only_looks_gets_no_button(admin_client: Client) -> None:
    url = page(MessageTemplate, "change", template().pk)
    data = editor_data(staff("messaging.view_messagetemplate"), url)
    assert (data["mayTest"], data["maySeeDoctors"]) == (False, False)
    data = editor_data(admin_client, url)
    assert (data["mayTest"], data["maySeeDoctors"]) == (True, True)


def test_defaults_are_saved_as_pairs(admin_client: Client) -> None:
    made = template()
    form = {
        "title": "",
        "opened_version": made.versions.count(),
        "sequence_order": "1",
        "template_content": "{{specialty}} {{shortlink}}",
        "defaults": '{"specialty": "your field"}',
    }
    admin_client.post(page(MessageTemplate, "change", made.pk), form)
    made.refresh_from_db()
    assert made.defaults == {"specialty": "your field"}
    assert made.max_sms_segments == 2  # left out of the form


@pytest.mark.parametrize("defaults", ["{", '["x"]', '{"specialty": 3}', "[" * 10_000, "1" * 5000])
def test_broken_defaults_are_refused_in_words(defaults: str, admin_client: Client) -> None:
    made = template()
    form = {"sequence_order": "1", "template_content": made.template_content, "defaults": defaults}
    response = admin_client.post(page(MessageTemplate, "change", made.pk), form)
    assert response.status_code == 200
    assert response.context["adminform"].form.errors["defaults"]
    made.refresh_from_db()
    assert made.defaults == {}


def test_new_template_needs_no_sms_limit_for_email(admin_client: Client) -> None:
    form = {
        "template_key": "mine.email.1",
        "segment_type": SEGMENT,
        "channel": "email",
        "sequence_order": "1",
        "title": "",
        "subject_line": "Yours",
        "preheader": "It waits",
        "template_content": "Hi\n\n[Go →] {{shortlink}}",
        "defaults": "",
    }
    response = admin_client.post(page(MessageTemplate, "add"), form)
    assert response.status_code == 302, response.context["errors"]
    made = MessageTemplate.objects.get(template_key="mine.email.1")
    assert (made.preheader, made.max_sms_segments, made.defaults) == ("It waits", 2, {})


# --- preview --------------------------------------------------------------------------------


def test_preview_is_of_what_is_typed_and_saves_nothing(admin_client: Client) -> None:
    doctor, made = engine.member(), template()
    before = MessageTemplate.objects.values().get()
    typed = "Hi {{last_name}} {{shortlink}}"
    answer = ask(admin_client, "preview", template=made.pk, template_content=typed).json()
    assert answer["parts"]["text"].startswith(f"Hi {doctor.last_name} http")
    assert answer["person"] == {
        "doctor": doctor.pk,
        "name": str(doctor),
        "place": 1,
        "count": 1,
        "note": "",
    }
    assert MessageTemplate.objects.values().get() == before
    assert not LogEntry.objects.exists()
    assert not MessageDelivery.objects.exists()


def test_preview_of_a_new_template_takes_channel_and_segment_of_the_form(
    admin_client: Client,
) -> None:
    assert ask(admin_client, "preview").json() == {"note": "Choose a channel to see the message."}
    answer = ask(admin_client, "preview", channel="sms", template_content="{{last_name}}").json()
    assert answer["person"]["doctor"] is None
    assert answer["person"]["note"].startswith("Choose a segment")
    doctor = engine.member()
    form = {"channel": "sms", "segment_type": SEGMENT, "template_content": "{{last_name}}"}
    answer = ask(admin_client, "preview", **form).json()
    assert answer["parts"]["text"].startswith(doctor.last_name)


def test_preview_keeps_to_the_channel_of_a_saved_template(admin_client: Client) -> None:
    answer = ask(admin_client, "preview", template=template().pk, channel="email").json()
    assert answer["channel"] == "sms"


def test_preview_by_place_and_by_doctor(admin_client: Client) -> None:
    made, doctors = template(), [engine.member() for _ in range(3)]
    second = ask(admin_client, "preview", template=made.pk, place=2).json()["person"]
    assert (second["doctor"], second["place"], second["count"]) == (doctors[1].pk, 2, 3)
    third = ask(admin_client, "preview", template=made.pk, doctor=doctors[2].pk).json()["person"]
    assert (third["doctor"], third["place"]) == (doctors[2].pk, None)
    counted = ask(
        admin_client, "preview", template=made.pk, doctor=doctors[2].pk, counted=1
    ).json()["person"]
    assert (counted["place"], counted["count"]) == (3, 3)


@pytest.mark.parametrize("forged", ["0", "-1", "x", "9" * 40, "١", "1; DROP TABLE doctors"])
def test_forged_numbers_show_the_first_doctor(forged: str, admin_client: Client) -> None:
    first, made = engine.member(), template()
    for name in ("place", "doctor", "max_sms_segments"):
        answer = ask(admin_client, "preview", template=made.pk, **{name: forged})
        assert answer.json()["person"]["doctor"] == first.pk


def test_doctor_of_another_segment_is_not_shown(admin_client: Client) -> None:
    engine.member()
    stranger = engine.doctor(last_name="Secret")
    answer = ask(admin_client, "preview", template=template().pk, doctor=stranger.pk)
    assert b"Secret" not in answer.content
    assert "not in this segment" in answer.json()["person"]["note"]


@pytest.mark.parametrize("key", ["x", "0", "01a205d8-aad3-75a7-b5be-1f3eeae7b65e", "' OR 1=1"])
def test_unknown_template_is_none(key: str, admin_client: Client) -> None:
    assert "Choose a channel" in ask(admin_client, "preview", template=key).json()["note"]
    told = ask(admin_client, "trial", template=key, address="9876543210").json()
    assert told == {"level": "error", "words": "Choose a channel first."}


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", "{{user_id}}", "</script><b>"])
@pytest.mark.parametrize("channel", ["sms", "whatsapp", "email"])
def test_hostile_name_is_a_value(channel: str, name: str, admin_client: Client) -> None:
    engine.member(engine.doctor(first_name=name, last_name=name))
    response = ask(admin_client, "preview", template=template(channel).pk)
    assert response["Content-Type"] == "application/json"
    parts = response.json()["parts"]
    assert name in (parts.get("text") or "".join(run["text"] for run in parts["runs"]))
    assert "<script>alert" not in parts.get("html", "")
    html = admin_client.get(page(MessageTemplate, "change", MessageTemplate.objects.get().pk))
    assert b"<script>alert" not in html.content


def test_broken_defaults_are_a_finding(admin_client: Client) -> None:
    made = template()
    for defaults in ("{", "[" * 100_000, "1" * 5000):
        answer = ask(admin_client, "preview", template=made.pk, defaults=defaults).json()
        assert [finding["field"] for finding in answer["findings"]] == ["defaults"], defaults[:5]


def test_huge_text_is_refused_quickly(admin_client: Client) -> None:
    answer = ask(admin_client, "preview", template=template().pk, template_content="{{" * 500_000)
    assert [finding["text"] for finding in answer.json()["findings"]] == [
        "The text has more than 20,000 characters."
    ]


def test_days_of_the_campaigns_are_compared_with_what_is_typed(admin_client: Client) -> None:
    answer = ask(
        admin_client,
        "preview",
        template=template().pk,
        template_content="5 days left {{shortlink}}",
    ).json()
    assert [finding["level"] for finding in answer["findings"]] == ["warning"]


def test_preview_costs_the_same_for_one_doctor_and_for_three(
    admin_client: Client,
) -> None:
    made, doctor = template(), engine.member()
    ask(admin_client, "preview", template=made.pk, doctor=doctor.pk)
    counts = []
    for _ in range(2):
        with CaptureQueriesContext(connection) as queries:
            ask(admin_client, "preview", template=made.pk, doctor=doctor.pk)
        counts.append(len(queries))
        engine.member(), engine.member()
    assert counts[0] == counts[1]


# --- who may --------------------------------------------------------------------------------


def test_addresses_want_a_post_and_a_login(admin_client: Client, client: Client) -> None:
    for name in ("preview", "doctors", "trial"):
        url = reverse(f"admin:messaging_messagetemplate_{name}")
        assert admin_client.get(url).status_code == 405
        assert client.post(url).status_code == 302  # to the login
        assert Client(enforce_csrf_checks=True).post(url).status_code in (302, 403)


def test_forged_post_without_a_token_is_refused(admin_user: Any) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(admin_user)
    for name in ("preview", "doctors", "trial"):
        assert ask(client, name, template=template().pk).status_code == 403
    assert not SandboxMessage.objects.exists()


def test_user_without_the_permission_is_refused() -> None:
    made, client = template(), staff("segments.view_doctor")
    for name in ("preview", "doctors", "trial"):
        forged = ask(client, name, template=made.pk, term="Rao", address="9876543210")
        assert forged.status_code == 403
    assert not SandboxMessage.objects.exists()


def test_user_who_may_only_look_sends_no_test() -> None:
    made, client = template(), staff(*SEES)
    assert ask(client, "preview", template=made.pk).status_code == 200
    assert ask(client, "trial", template=made.pk, address="9876543210").status_code == 403
    assert not SandboxMessage.objects.exists()


def test_user_who_may_not_see_doctors_sees_examples() -> None:
    doctor, made = engine.member(), template()
    client = staff("messaging.view_messagetemplate")
    answer = ask(client, "preview", template=made.pk, doctor=doctor.pk)
    assert answer.json()["person"]["doctor"] is None
    assert "You may not see doctors." in answer.json()["person"]["note"]
    assert doctor.last_name not in answer.content.decode()
    assert ask(client, "doctors", template=made.pk, term="Rao").status_code == 403


# --- finding a doctor -----------------------------------------------------------------------


def test_doctors_are_found_among_those_of_the_segment(admin_client: Client) -> None:
    asha = engine.member(engine.doctor(last_name="Sharma", external_id="CLR-7"))
    left = engine.member(engine.doctor(last_name="Sharma"))
    engine.doctor(last_name="Sharma")
    UnsubscribeRecord.objects.create(doctor=left, channel="sms")
    made = template()
    for term in ("sha", " CLR-7 ", asha.email, asha.phone, "sha\x00r"):
        found = ask(admin_client, "doctors", template=made.pk, term=term).json()["doctors"]
        assert found == [{"doctor": asha.pk, "name": str(asha)}], term
    for term in ("", "nobody", "%"):
        assert ask(admin_client, "doctors", template=made.pk, term=term).json() == {"doctors": []}


def test_many_doctors_are_cut_to_ten(admin_client: Client) -> None:
    for _ in range(11):
        engine.member()
    found = ask(admin_client, "doctors", template=template().pk, term="Rao").json()["doctors"]
    assert len(found) == 10


# --- a test to oneself ----------------------------------------------------------------------


def test_trial_sends_what_is_typed_and_is_logged_masked(admin_client: Client) -> None:
    doctor, made = engine.member(), template()
    typed = "Unsaved {{last_name}} {{shortlink}}"
    whom = {"doctor": doctor.pk, "address": "98765 43210"}
    form = {"template": made.pk, "template_content": typed}
    answer = ask(admin_client, "trial", **form, **whom).json()
    kept = SandboxMessage.objects.get()
    assert answer["level"] == "success"
    assert kept.text.startswith(f"[Test] Unsaved {doctor.last_name} ")
    assert (kept.recipient, kept.delivery_id) == ("+919876543210", None)
    entry = LogEntry.objects.get()
    assert entry.object_id == str(made.pk)
    assert entry.change_message.startswith("Test over SMS to +91…3210. The sandbox kept it")
    assert answer["kept"] == page(SandboxMessage, "change", kept.pk)
    assert "9876543210" not in entry.change_message
    data = editor_data(admin_client, page(MessageTemplate, "change", made.pk))
    assert data["addresses"]["phone"] == "+919876543210"


def test_trial_of_a_new_template_is_logged_without_one(admin_client: Client) -> None:
    engine.member()
    form = {"channel": "sms", "segment_type": SEGMENT, "template_content": "Hi {{shortlink}}"}
    answer = ask(admin_client, "trial", **form, address="9876543210")
    assert answer.json()["level"] == "success"
    assert LogEntry.objects.get().object_id is None


def test_trial_is_read_in_the_sandbox_as_a_test(admin_client: Client) -> None:
    engine.member()
    ask(admin_client, "trial", template=template().pk, address="9876543210")
    html = admin_client.get(page(SandboxMessage)).content.decode()
    assert "+919876543210" in html
    assert "Test" in html
    kept = SandboxMessage.objects.get()
    assert admin_client.get(page(SandboxMessage, "change", kept.pk)).status_code == 200


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"address": "12"}, "Is not a valid phone number"),
        ({"address": ""}, "Write a mobile number of your own."),
        ({"address": "9876543210", "defaults": "{"}, "The defaults cannot be read."),
        ({"address": "9876543210", "template_content": "no link"}, "The text cannot be sent:"),
    ],
)
def test_trial_refused_says_why(form: dict[str, str], words: str, admin_client: Client) -> None:
    engine.member()
    answer = ask(admin_client, "trial", template=template().pk, **form).json()
    assert answer["level"] == "error"
    assert answer["words"].startswith(words)
    assert not SandboxMessage.objects.exists()
    assert not LogEntry.objects.exists()


def test_trial_waits_with_a_paused_account(admin_client: Client) -> None:
    engine.member()
    ProviderAccount.objects.create(channel="sms", provider="sandbox", is_paused=True)
    answer = ask(admin_client, "trial", template=template().pk, address="9876543210").json()
    assert answer["words"] == "Nothing was sent: The account is paused by hand."
    assert not LogEntry.objects.exists()
