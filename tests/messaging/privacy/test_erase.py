"""Erasing a doctor: nothing personal is left in any table, and no figure changes."""

import io
from typing import Any

import pytest
from django.core.cache import caches
from django.core.management import call_command
from django.test import Client

from campaigns.analytics import roll_up
from campaigns.enroll import enroll
from campaigns.models import Campaign, CampaignAnalytics, CampaignEnrollment
from messaging import inbound, inbound_reply, optout, spool
from messaging.evidence import NoText, sent_text
from messaging.links import remember
from messaging.models import (
    DeliveryAttempt,
    HandedOver,
    InboundMessage,
    MessageDelivery,
    ProviderEvent,
    Reply,
    SandboxMessage,
    Suppression,
    UnsubscribeRecord,
)
from messaging.privacy import erase, files, holdings, late
from messaging.providers.base import Unknown
from messaging.record import Tally, answered, record
from segments.models import Doctor, ErasedPerson, ImportRejection
from tests import engine
from tests.engine import DAY, NOW
from tests.messaging.privacy import canary, dump

pytestmark = pytest.mark.django_db


def found_in_tables() -> dict[str, set[str]]:
    return {
        name: found for name, text in dump.of_database().items() if (found := canary.found(text))
    }


def figures() -> dict[str, Any]:
    roll_up(NOW.date(), NOW.date())
    counted = list(
        CampaignAnalytics.objects.order_by("pk").values_list(
            "campaign",
            "date",
            "channel",
            "total_sent",
            "total_delivered",
            "total_opened",
            "total_clicked",
            "total_failed",
            "total_unsubscribed",
        )
    )
    models = [*holdings.paths(), CampaignAnalytics]
    counts = {model._meta.db_table: model._default_manager.count() for model in models}
    # An opt-out of everything is added, an entry for the hashes too, and segments are left.
    for name in ("unsubscribe_records", "erased_persons", "user_segments"):
        counts.pop(name)
    sent = list(
        MessageDelivery.objects.exclude(status="skipped")
        .order_by("pk")
        .values_list("pk", "status", "sent_at", "delivered_at", "failed_at")
    )
    return {"analytics": counted, "counts": counts, "sent": sent}


def test_the_canary_is_in_every_table_that_can_hold_it(doctor) -> None:
    assert found_in_tables().keys() == {
        "campaign_enrollments",
        "certificates",
        "channel_suppressions",
        "consent_records",
        "course_progress",
        "delivery_attempts",
        "django_admin_log",
        "doctors",
        "handed_over",
        "import_rejections",
        "inbound_messages",
        "inbound_replies",
        "message_deliveries",
        "provider_events",
        "sandbox_messages",
        "unsubscribe_records",
        "user_segments",
    }


def test_nothing_personal_is_left_in_any_table_and_no_figure_changes(doctor) -> None:
    waiting = MessageDelivery.objects.filter(status="scheduled").count()
    assert waiting
    MessageDelivery.objects.filter(status="scheduled").update(trace=[{"detail": canary.ERROR}])
    before = figures()
    person = erase.erase(doctor.pk, NOW)
    assert found_in_tables() == {}
    after = figures()
    scheduled = [row for row in before["sent"] if row[1] == "scheduled"]
    before["sent"] = [row for row in before["sent"] if row not in scheduled]
    assert after == before
    assert len(scheduled) == waiting
    assert {d.skip_reason for d in MessageDelivery.objects.filter(status="skipped")} == {
        "unsubscribed"
    }
    assert set(CampaignEnrollment.objects.values_list("status", flat=True)) == {"unsubscribed"}
    assert person.doctor == doctor
    assert Suppression.objects.get().lifted_at is None
    printed = io.StringIO()
    call_command("audit_deliveries", stdout=printed)  # exits with 1 where a promise is broken


def test_row_of_somebody_else_stays_as_it_was(doctor) -> None:
    other = engine.member(engine.doctor(location="Pune"))
    engine.enroll(Campaign.objects.get(), NOW)
    engine.send_all(NOW)
    before = Doctor.objects.values().get(pk=other.pk)
    sent = SandboxMessage.objects.filter(delivery__doctor=other)
    texts = set(sent.values_list("text", flat=True))
    assert texts
    erase.erase(doctor.pk, NOW)
    assert Doctor.objects.values().get(pk=other.pk) == before
    assert set(sent.values_list("text", flat=True)) == texts
    for delivery in MessageDelivery.objects.filter(doctor=other, status="sent"):
        assert sent_text(delivery).message.text in texts
    assert ImportRejection.objects.get(line=4).value == "somebody@else.example"


def test_what_went_out_is_no_longer_kept(doctor) -> None:
    sent = MessageDelivery.objects.filter(doctor=doctor, token__isnull=False).first()
    erase.erase(doctor.pk, NOW)
    sent.refresh_from_db()
    shown = sent_text(sent)
    assert isinstance(shown, NoText)
    assert "not kept" in shown.reason


def test_links_are_unknown_afterwards_also_to_the_cache(doctor) -> None:
    tokens = [t for t in MessageDelivery.objects.values_list("token", flat=True) if t]
    remember.keep([(t, doctor.deliveries.get(token=t).pk, "https://x.example/q") for t in tokens])
    assert tokens
    assert all(remember.recall(t) for t in tokens)
    known = {Client().get(f"/{kind}/{t}").status_code for t in tokens for kind in ("r", "u")}
    assert 404 not in known
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("django.db.transaction.on_commit", lambda work, **_: work())
        erase.erase(doctor.pk, NOW)
    assert not any(remember.recall(t) for t in tokens)
    answers = {Client().get(f"/{kind}/{t}").status_code for t in tokens for kind in ("r", "u")}
    assert answers == {404}
    caches["default"].clear()


def test_message_that_is_being_sent_holds_it_up(doctor) -> None:
    delivery = MessageDelivery.objects.filter(status="scheduled").first()
    MessageDelivery.objects.filter(pk=delivery.pk).update(status="sending")
    with pytest.raises(erase.ErasureError, match="in two minutes"):
        erase.erase(doctor.pk, NOW)
    assert Doctor.objects.get().last_name == canary.PERSON["last_name"]
    assert not UnsubscribeRecord.objects.filter(source="erasure").exists()


def test_answer_of_a_worker_that_wakes_up_late_brings_nothing_back(doctor) -> None:
    delivery = MessageDelivery.objects.filter(token__isnull=False).first()
    claim = delivery.claim_id
    attempt = DeliveryAttempt.objects.filter(delivery=delivery)
    with dump.without_triggers():
        MessageDelivery.objects.filter(pk=delivery.pk).update(status="unknown", error_message="No.")
        attempt.update(outcome="unknown")
    erase.erase(doctor.pk, NOW)
    record([answered(delivery.pk, claim, Unknown(canary.ERROR))], NOW, Tally())
    assert found_in_tables() == {}
    assert attempt.get().claim_id == MessageDelivery.objects.get(pk=delivery.pk).claim_id != claim


def test_report_that_comes_late_is_emptied_in_the_night(doctor) -> None:
    sent = MessageDelivery.objects.filter(token__isnull=False).first()
    erase.erase(doctor.pk, NOW)
    ProviderEvent.objects.create(
        provider="twilio",
        event_key="late",
        kind="failed",
        delivery=sent,
        occurred_at=NOW,
        detail={"raw": {"to": canary.PERSON["email"]}},
    )
    assert found_in_tables().keys() == {"provider_events"}
    assert erase.sweep(NOW + DAY) == 1
    assert found_in_tables() == {}
    assert erase.sweep(NOW + erase.SWEPT_FOR) == 0


def test_name_is_taken_out_of_what_other_doctors_were_told(doctor) -> None:
    window = HandedOver.objects.first()
    told = f"Dr. {canary.PERSON['first_name']} {canary.PERSON['last_name']} said: {canary.SAID}"
    window.contents["another"] = [1, {"peer": told, "list": [told]}, None]
    window.save()
    erase.erase(doctor.pk, NOW)
    window.refresh_from_db()
    assert window.contents == {
        "another": [1, {"peer": "Dr. … said: …", "list": ["Dr. … said: …"]}, None]
    }


def heard(key, text, sender="+919000000000", **fields) -> ProviderEvent:
    detail = {"channel": "sms", "from": sender, "text": text, "button": "", "wish": "", "raw": {}}
    return ProviderEvent.objects.create(
        provider="twilio", event_key=key, kind="inbound", occurred_at=NOW, detail=detail, **fields
    )


def test_texts_of_others_keep_what_they_say_but_not_the_name(doctor) -> None:
    name = f"{canary.PERSON['first_name']} {canary.PERSON['last_name']}"
    another = engine.doctor(phone="+919000000000")
    heard("other", f"Ask\n{name.upper()}, {canary.PERSON['email']} or 98765 01234, today")
    heard("stranger", f"I know {name}", sender="+919000000009")
    inbound.apply_inbound(NOW)
    bounce = ProviderEvent.objects.create(
        provider="smtp",
        event_key="bounce",
        kind="failed",
        external_id="nobody's",
        occurred_at=NOW,
        detail={"error": f"550 no\n{name} unknown", "code": "550"},
    )
    UnsubscribeRecord.objects.create(doctor=another, reason=f"{name} told me to")
    erase.erase(doctor.pk, NOW)
    assert found_in_tables() == {}
    texts = InboundMessage.objects.exclude(text="").order_by("pk").values_list("text", flat=True)
    assert list(texts) == ["Ask\n…, … or …, today", "I know …"]
    bounce.refresh_from_db()
    assert bounce.detail == {"error": "550 no\n… unknown", "code": "550"}


def test_emptied_messages_wait_for_nobody(doctor) -> None:
    InboundMessage.objects.update(handled_at=None)
    heard("unknown", "hello", sender=canary.PHONE)
    Doctor.objects.update(phone=None)
    inbound.apply_inbound(NOW)
    Doctor.objects.update(phone=canary.PHONE)
    assert InboundMessage.objects.filter(handled_at=None).count() == 2
    erase.erase(doctor.pk, NOW)
    assert not InboundMessage.objects.filter(handled_at=None).exists()


def test_answer_that_waits_is_not_sent_and_says_nothing(doctor) -> None:
    stranger = heard("unknown", "hello", sender="+919000000007")
    inbound.apply_inbound(NOW)
    Doctor.objects.update(phone="+919000000007")
    theirs = [doctor.inbound_messages.get(), stranger.inbound]
    waiting = [
        message.replies.create(text=f"Dear {canary.PERSON['last_name']}", written_at=NOW)
        for message in theirs
    ]
    erase.erase(doctor.pk, NOW)
    assert inbound_reply.send_replies(NOW) == 0
    left = Reply.objects.filter(pk__in=[reply.pk for reply in waiting])
    assert set(left.values_list("status", "text")) == {("failed", "")}


def test_message_from_an_erased_number_is_not_kept(doctor) -> None:
    erase.erase(doctor.pk, NOW)
    event = heard("after", canary.WROTE, sender=canary.WHATSAPP)
    assert not late.drop(heard("other", "hello"), NOW)
    assert late.drop(event, NOW)
    event.refresh_from_db()
    assert (event.detail, event.processed_at) == ({"erased": True}, NOW)
    heard("stop", "STOP", sender=canary.PHONE)
    count = InboundMessage.objects.count()
    assert inbound.apply_inbound(NOW) == 1  # that of "other"
    assert InboundMessage.objects.count() == count + 1
    assert found_in_tables() == {}


def test_stop_that_waits_is_heeded_for_whoever_has_the_number_as_well(doctor) -> None:
    other = engine.doctor(whatsapp=canary.PHONE)
    event = heard("stop", f"STOP, says {canary.PERSON['last_name']}", sender=canary.PHONE)
    erase.erase(doctor.pk, NOW)
    event.refresh_from_db()
    assert event.detail["from"] == canary.PHONE
    inbound.apply_inbound(NOW)
    (record,) = UnsubscribeRecord.objects.standing().filter(doctor=other)
    assert (record.channel, record.segment_type) == ("sms", None)


def test_opt_out_of_somebody_erased_stands_until_the_entry_is_deleted(doctor) -> None:
    person = erase.erase(doctor.pk, NOW)
    record = UnsubscribeRecord.objects.standing().get(
        doctor=doctor, channel=None, segment_type=None
    )
    assert not optout.opt_in(record, NOW)
    record.refresh_from_db()
    assert record.revoked_at is None
    person.delete()
    assert optout.opt_in(record, NOW)


def test_erasing_twice_is_refused(doctor) -> None:
    erase.erase(doctor.pk, NOW)
    with pytest.raises(erase.ErasureError, match="already"):
        erase.erase(doctor.pk, NOW)
    assert ErasedPerson.objects.count() == 1


def test_erased_doctor_is_never_enrolled_again(doctor) -> None:
    erase.erase(doctor.pk, NOW)
    engine.member(doctor, "anything")
    assert enroll(engine.campaign(), NOW) == 0


def test_files_that_wait_are_searched_and_dropped(doctor, settings, monkeypatch) -> None:
    uploads = settings.MEDIA_ROOT / files.UPLOADS
    uploads.mkdir(parents=True)
    (uploads / "abc").write_text(canary.PERSON["email"])
    settings.SPOOL_DIR.mkdir()
    refused = settings.SPOOL_DIR / files.REFUSED
    refused.write_text(f'{{"from": "{canary.PHONE}"}}\n{{"from": "+919000000000"}}\n')
    event = {
        "provider": "twilio",
        "key": "spooled",
        "kind": "inbound",
        "delivery_id": None,
        "external_id": "SM9",
        "is_machine": False,
        "verdict": "",
        "occurred_at": NOW.isoformat(),
        "detail": {
            "channel": "sms",
            "from": canary.PHONE,
            "text": canary.WROTE,
            "button": "",
            "wish": "",
            "raw": {},
        },
    }
    spool.append("event", event)
    monkeypatch.setattr("django.db.transaction.on_commit", lambda work, **_: work())
    erase.erase(doctor.pk, NOW)
    assert list(uploads.iterdir()) == []
    assert refused.read_text() == '{"from": "+919000000000"}\n'
    assert [path.name for path in settings.SPOOL_DIR.iterdir()] == [files.REFUSED]
    assert found_in_tables() == {}
    assert ProviderEvent.objects.get(event_key="spooled").processed_at == NOW
