"""What makes one thing makes it once, with a key; what is kept names nobody."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection

from campaigns.api import idempotency
from campaigns.models import ApiBatch, Campaign
from messaging.models import MessageTemplate, Suppression, UnsubscribeRecord
from tests import engine
from tests.api.world import Program

pytestmark = pytest.mark.django_db

CAMPAIGN = {"name": "C", "segment_type": "no_show"}
TEMPLATE = {
    "key": "no_show.sms.9",
    "channel": "sms",
    "segment_type": "no_show",
    "place": 9,
    "text": "Dr. {{last_name}}: {{shortlink}} -CLIRNET",
}
REUSED = "urn:clirnet:problem:idempotency-key-reused"


@pytest.fixture
def doctor() -> Any:
    return engine.doctor(external_id="D-1")


# Address, body, another body, and how many there are of what it makes.
Case = tuple[str, Any, Any, Callable[[], int]]
MAKING: dict[str, Case] = {
    "campaign": ("/campaigns", CAMPAIGN, {**CAMPAIGN, "name": "D"}, Campaign.objects.count),
    "template": (
        "/templates",
        TEMPLATE,
        {**TEMPLATE, "key": "no_show.sms.10", "place": 10},
        MessageTemplate.objects.count,
    ),
    "opt-out": (
        "/suppressions/opt-outs",
        {"doctor_id": "D-1", "reason": "Anita Rao asked"},
        {"doctor_id": "D-1", "channel": "sms"},
        UnsubscribeRecord.objects.count,
    ),
    "channel": (
        "/suppressions/channels",
        {"doctor_id": "D-1", "channel": "sms", "reason": "hard_bounce"},
        {"doctor_id": "D-1", "channel": "email", "reason": "hard_bounce"},
        Suppression.objects.count,
    ),
}


@pytest.mark.usefixtures("doctor")
@pytest.mark.parametrize("what", MAKING)
def test_request_with_a_key_makes_one_thing(what: str) -> None:
    address, body, other, count = MAKING[what]
    program, before = Program(), count()
    first = program.post(address, body, once="k1")
    assert first.status_code in {200, 201}, first.data
    again = program.post(address, body, once="k1")
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert count() == before + 1
    assert LogEntry.objects.count() == 1
    refused = program.post(address, other, once="k1")
    assert (refused.status_code, refused.data["type"]) == (422, REUSED)
    assert count() == before + 1
    assert program.post(address, other, once="k2").data["id"] != first.data["id"]


def test_campaign_is_copied_once_with_a_key_and_each_time_without() -> None:
    program = Program()
    campaign = engine.campaign(holdout_percent=10)
    address = f"/campaigns/{campaign.pk}/copy"
    first = program.post(address, once="k1")
    assert first.status_code == 201
    assert (first.data["name"], first.data["status"]) == (f"Copy of {campaign}", "draft")
    assert len(first.data["steps"]) == campaign.steps.count() > 0
    assert program.post(address, once="k1").content == first.content
    assert Campaign.objects.count() == 2
    program.post(address)
    program.post(address)
    assert Campaign.objects.count() == 4


def test_answer_stays_what_it_was_after_a_change() -> None:
    program = Program()
    first = program.post("/campaigns", CAMPAIGN, once="k1")
    program.patch(f"/campaigns/{first.data['id']}", {"name": "Renamed"})
    assert program.post("/campaigns", CAMPAIGN, once="k1").content == first.content


def test_key_of_one_address_is_refused_at_another() -> None:
    program = Program()
    campaign = engine.campaign()
    program.post(f"/campaigns/{campaign.pk}/copy", once="k1")
    refused = program.post(f"/campaigns/{Campaign.objects.get(status='draft').pk}/copy", once="k1")
    assert (refused.status_code, refused.data["type"]) == (422, REUSED)


def test_request_that_was_refused_may_be_sent_again_with_its_key() -> None:
    program = Program()
    assert (
        program.post("/templates", {**TEMPLATE, "text": "{{no_such}}"}, once="k1").status_code
        == 422
    )
    assert not ApiBatch.objects.exists()
    assert program.post("/templates", TEMPLATE, once="k1").status_code == 201


def test_opt_out_taken_back_meanwhile_is_not_made_again(doctor: Any) -> None:
    program = Program()
    address, body, _, _ = MAKING["opt-out"]
    made = program.post(address, body, once="k1").data
    program.post(f"{address}/{made['id']}/take-back")
    again = program.post(address, body, once="k1").data
    assert (again["id"], again["revoked_at"] is None) == (made["id"], False)
    assert UnsubscribeRecord.objects.count() == 1


@pytest.mark.usefixtures("doctor")
def test_nothing_that_is_kept_names_a_doctor() -> None:
    program = Program()
    for address, body, _, _ in MAKING.values():
        program.post(address, body, once=address)
    program.report(
        "doctors",
        {"doctor_id": "p1", "name": "Asha Sen", "phone": "12345", "email": "asha@sen"},
        {"doctor_id": "p2", "name": "Ravi Iyer", "phone": "98123", "email": None},
    )
    kept = " ".join(ApiBatch.objects.values_list("answer", flat=True))
    assert ApiBatch.objects.count() == len(MAKING) + 1
    for personal in ("D-1", "Anita", "Rao", "12345", "98123", "asha", "Asha", "Ravi", "p1", "p2"):
        assert personal not in kept


@pytest.mark.django_db(transaction=True)
def test_second_request_while_the_first_is_done_is_told_to_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    program = Program()
    monkeypatch.setattr(idempotency, "PATIENCE", timedelta(seconds=1))
    inside, release = threading.Event(), threading.Event()
    make, answers = idempotency._dumped, []

    def slow(answer: object) -> str:
        inside.set()
        release.wait(30)
        return make(answer)

    def send() -> None:
        try:
            answers.append(program.post("/campaigns", CAMPAIGN, once="k1"))
        finally:
            connection.close()

    monkeypatch.setattr(idempotency, "_dumped", slow)
    thread = threading.Thread(target=send)
    thread.start()
    assert inside.wait(20)
    refused = program.post("/campaigns", CAMPAIGN, once="k1")
    release.set()
    thread.join(30)
    assert (refused.status_code, refused.data["type"]) == (409, "urn:clirnet:problem:in-progress")
    assert answers[0].status_code == 201
    assert Campaign.objects.count() == 1
