"""The preferences page: looking changes nothing, a POST acts at once, and there is a way back."""

import re
from datetime import timedelta

import pytest
from django.core.cache import cache
from django.db import transaction
from django.test import Client
from django.utils import timezone

from campaigns.enroll import enroll
from campaigns.schedule import schedule_due
from messaging.authorize import authorize_due
from messaging.models import MessageDelivery, ProviderEvent, UnsubscribeRecord
from messaging.preferences import wish
from messaging.preferences.wish import Wish
from segments.models import Doctor
from tests.engine import DAY, NOW, campaign, enrolled, member, send_all, statuses
from tests.messaging.together import Worker, waits_for_a_lock

pytestmark = pytest.mark.django_db
PHONE = {"User-Agent": "Mozilla/5.0 (Linux; Android 14) Chrome/130"}
CHANNELS = ["whatsapp", "sms", "email"]
KINDS = ["aida_users", "incomplete_courses", "no_show", "unclaimed_certificates"]


@pytest.fixture(autouse=True)
def nobody_is_turned_away():
    cache.clear()


@pytest.fixture
def delivery():
    enrolled(days=(0,), channels=("sms",))
    send_all(NOW)
    return MessageDelivery.objects.get()


@pytest.fixture
def browser():
    return Client(headers=PHONE, enforce_csrf_checks=True)


def wishes():
    standing = UnsubscribeRecord.objects.standing().filter(paused_until=None)
    return set(standing.values_list("channel", "segment_type"))


def ticked(page):
    return re.findall(r'value="(\w+)" checked', page)


def test_looking_changes_nothing_and_is_on_record(browser, delivery):
    response = browser.get(f"/u/{delivery.token}")
    assert response.status_code == 200
    assert ticked(response.content.decode()) == [*CHANNELS, *KINDS]
    assert not UnsubscribeRecord.objects.exists()
    assert statuses() == {"sms 0": "sent"}
    assert list(ProviderEvent.objects.values_list("kind", flat=True)) == ["looked"]


def test_page_is_private_and_loads_nothing(browser, delivery):
    response = browser.get(f"/u/{delivery.token}")
    assert not response.cookies
    assert response["Referrer-Policy"] == "no-referrer"
    assert "no-store" in response["Cache-Control"]
    assert response["Content-Security-Policy"].startswith("default-src 'none'")
    page = response.content.decode()
    assert not re.findall(r"<script|<link|<img|src=|href=|url\(|@import", page)
    assert delivery.token not in page
    assert delivery.doctor.last_name not in page


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        ("channel", ("sms", None)),
        ("kind", (None, "unclaimed_certificates")),
        ("all", (None, None)),
        ("nonsense", (None, None)),
    ],
)
def test_post_acts_at_once(browser, delivery, scope, expected):
    response = browser.post(f"/u/{delivery.token}", {"scope": scope, "reason": " Busy "})
    assert (response.status_code, response["Location"]) == (302, f"/u/{delivery.token}?saved")
    record = UnsubscribeRecord.objects.get()
    assert (record.channel, record.segment_type) == expected
    assert (record.reason, record.source, record.delivery) == ("Busy", "link", delivery)
    page = browser.get(response["Location"]).content.decode()
    assert "<strong>Saved.</strong>" in page
    assert len(ticked(page)) == (0 if expected == (None, None) else 6)


def test_page_offers_only_what_is_left_to_stop(browser, delivery):
    def buttons():
        page = browser.get(f"/u/{delivery.token}").content.decode()
        return re.findall(r'name="scope" value="(\w+)"', page)

    assert buttons() == ["channel", "kind", "save", "pause", "all"]
    browser.post(f"/u/{delivery.token}", {"scope": "channel"})
    assert buttons() == ["kind", "save", "pause", "back", "all"]
    browser.post(f"/u/{delivery.token}", {"scope": "pause"})
    assert buttons() == ["kind", "save", "resume", "all"]
    browser.post(f"/u/{delivery.token}", {"scope": "kind"})
    assert buttons() == ["save", "resume", "all"]
    browser.post(f"/u/{delivery.token}", {"scope": "all"})
    assert buttons() == ["save", "back"]
    browser.post(f"/u/{delivery.token}", {"scope": "back"})
    assert buttons() == ["channel", "kind", "save", "pause", "all"]


def test_one_click_answers_200_without_cookie_or_redirect(browser, delivery):
    response = browser.post(f"/u/{delivery.token}", {"List-Unsubscribe": "One-Click"})
    assert response.status_code == 200
    assert not response.cookies
    record = UnsubscribeRecord.objects.get()
    assert (record.channel, record.segment_type, record.source) == ("sms", None, "one-click")
    assert (
        browser.post(f"/u/{delivery.token}", {"List-Unsubscribe": "One-Click"}).status_code == 200
    )
    assert UnsubscribeRecord.objects.count() == 1


def test_one_click_as_urlencoded_form(browser, delivery):
    browser.post(
        f"/u/{delivery.token}",
        "List-Unsubscribe=One-Click",
        content_type="application/x-www-form-urlencoded",
    )
    assert UnsubscribeRecord.objects.get().source == "one-click"


def test_what_is_ticked_is_what_is_wanted(browser, delivery):
    post = {"scope": "save", "channel": ["email"], "kind": ["no_show", "aida_users"]}
    browser.post(f"/u/{delivery.token}", post)
    assert wishes() == {
        *((channel, None) for channel in ("whatsapp", "sms")),
        *((None, kind) for kind in ("incomplete_courses", "unclaimed_certificates")),
    }
    page = browser.get(f"/u/{delivery.token}").content.decode()
    assert ticked(page) == ["email", "aida_users", "no_show"]


def test_ticking_again_brings_back(browser, delivery):
    browser.post(f"/u/{delivery.token}", {"scope": "all"})
    post = {"scope": "save", "channel": CHANNELS, "kind": KINDS[:3]}
    browser.post(f"/u/{delivery.token}", post)
    assert wishes() == {(None, "unclaimed_certificates")}
    browser.post(f"/u/{delivery.token}", {"scope": "save", "channel": CHANNELS, "kind": KINDS})
    assert wishes() == set()


@pytest.mark.parametrize("post", [{}, {"channel": CHANNELS}, {"kind": KINDS}, {"channel": ["fax"]}])
def test_no_channel_or_no_kind_ticked_is_everything(browser, delivery, post):
    browser.post(f"/u/{delivery.token}", {"scope": "save", **post})
    assert wishes() == {(None, None)}


def test_saving_leaves_a_finer_opt_out_alone_and_back_takes_it_back(browser, delivery):
    UnsubscribeRecord.objects.create(
        doctor=delivery.doctor, channel="email", segment_type="no_show"
    )
    post = {"scope": "save", "channel": CHANNELS, "kind": KINDS}
    browser.post(f"/u/{delivery.token}", post)
    assert wishes() == {("email", "no_show")}
    assert "Also stopped: E-mail about" in browser.get(f"/u/{delivery.token}").content.decode()
    browser.post(f"/u/{delivery.token}", {"scope": "back"})
    assert wishes() == set()


def test_reason_of_any_length_is_kept_as_far_as_it_goes(browser, delivery):
    browser.post(f"/u/{delivery.token}", {"scope": "all", "reason": "too\x00 many " + "x" * 9000})
    assert UnsubscribeRecord.objects.get().reason == ("too many " + "x" * 9000)[:500]


def test_pause_and_its_end(browser, delivery):
    browser.post(f"/u/{delivery.token}", {"scope": "pause", "reason": "On leave"})
    record = UnsubscribeRecord.objects.get()
    assert record.paused_until - record.unsubscribed_at == timedelta(days=30)
    assert (record.reason, record.delivery) == ("On leave", delivery)
    page = browser.get(f"/u/{delivery.token}").content.decode()
    assert "Your messages pause until" in page
    assert "End the pause" in page
    browser.post(f"/u/{delivery.token}", {"scope": "channel"})
    browser.post(f"/u/{delivery.token}", {"scope": "resume"})
    assert wishes() == {("sms", None)}
    assert not UnsubscribeRecord.objects.standing().pauses().exists()


# --- the opt-out and the sender, at once ----------------------------------------------------


@pytest.fixture
def due(transactional_db):
    """A doctor with something to send by SMS and by WhatsApp, and a message with a link."""
    owner = member()
    for channel in ("sms", "whatsapp"):
        made = campaign(days=(0,), channels=(channel,))
        enroll(made, NOW, [owner.pk])
    schedule_due(NOW)
    return MessageDelivery.objects.get(channel="whatsapp")


@pytest.mark.parametrize("scope", ["all", "pause"])
def test_opt_out_first_and_nothing_is_authorised(due, scope):
    with transaction.atomic():
        Doctor.objects.lock([due.doctor_id]).get()  # as the opt-out begins
        found = Worker(lambda: authorize_due("sms", NOW)).result()
        assert (found.claims, found.left) == ([], 1)  # it waits for nobody, and leaves the doctor
        wish.act(due, Wish(scope), NOW)
        assert not Worker(lambda: authorize_due("sms", NOW)).result()
    again = authorize_due("sms", NOW)
    assert (again.claims, again.deferred) == ([], 0)
    reason = "unsubscribed" if scope == "all" else "paused"
    assert statuses() == {"sms 0": reason, "whatsapp 0": reason}


@pytest.mark.parametrize("scope", ["all", "pause"])
def test_sender_first_and_the_opt_out_skips_the_rest(due, scope):
    with transaction.atomic():
        assert len(authorize_due("sms", NOW).claims) == 1
        doctor = Worker(lambda: wish.act(due, Wish(scope), NOW + DAY / 24))
        assert waits_for_a_lock()
        assert not doctor.is_done
    doctor.result()
    reason = "unsubscribed" if scope == "all" else "paused"
    assert statuses() == {"sms 0": "sending", "whatsapp 0": reason}
    attempt = MessageDelivery.objects.get(channel="sms").attempts.get()
    record = UnsubscribeRecord.objects.get()
    assert attempt.consent_version < record.consent_version  # what the audit goes by


def test_all_of_a_wish_or_nothing(due, monkeypatch):
    calls = []

    def opt_out(*args, **kwargs):
        calls.append(args)
        if len(calls) == 2:
            raise RuntimeError("in the middle")
        return original(*args, **kwargs)

    original = wish.optout.opt_out
    monkeypatch.setattr(wish.optout, "opt_out", opt_out)
    with pytest.raises(RuntimeError):
        wish.act(due, Wish("save", None, frozenset({"sms"}), frozenset(KINDS)), timezone.now())
    assert not UnsubscribeRecord.objects.exists()
    assert Doctor.objects.get().consent_version == due.doctor.consent_version
