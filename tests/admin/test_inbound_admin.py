"""The inbox and the suppressions: what waits first, and who may do what."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User

from messaging import optout
from messaging.inbound_answer import answer, seen
from messaging.inbound_reply import send_replies
from messaging.models import (
    InboundMessage,
    KeywordReply,
    Reply,
    Suppression,
    UnsubscribeRecord,
)
from tests.admin.world import make, messages_of, page, staff
from tests.engine import NOW

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


@pytest.fixture
def received():
    make(1)
    Reply.objects.all().delete()  # nobody has answered
    return InboundMessage.objects.get()


def test_what_waits_comes_first(admin_client, received):
    for minute, text in enumerate(("older", "newer")):
        InboundMessage.objects.create(
            provider="twilio",
            channel="sms",
            sender="+911",
            text=text,
            received_at=NOW,
            handled_at=NOW + minute * HOUR,
        )
    rows = admin_client.get(page(InboundMessage)).context["cl"].result_list
    assert [row.text for row in rows] == ["When is the next session?", "newer", "older"]
    rows = admin_client.get(page(InboundMessage), {"state": "waiting"}).context["cl"].result_list
    assert [row.text for row in rows] == ["When is the next session?"]


def test_a_message_shows_what_it_answers_and_can_be_marked_once(admin_client, received):
    html = admin_client.get(page(InboundMessage, "change", received.pk)).content.decode()
    assert "It waits for somebody to answer it." in html
    assert str(received.delivery.campaign_message.campaign) in html
    url = page(InboundMessage, "handle", received.pk)
    assert "Has the doctor been answered" in admin_client.get(url).content.decode()
    received.refresh_from_db()
    assert received.handled_at is None
    for expected in ("Messages marked as handled: 1.", "Nothing to do: handled already."):
        answer = admin_client.post(url, {"confirmed": "yes"}, follow=True)
        assert messages_of(answer) == [expected]
    received.refresh_from_db()
    assert (received.handled_by.username, received.handled_at) == ("admin", NOW)


def test_what_may_opt_out_comes_first_and_one_button_does_it(admin_client, received):
    doubtful = InboundMessage.objects.create(
        provider="twilio",
        channel="whatsapp",
        doctor=received.doctor,
        sender=received.sender,
        text="I am not interested",
        kind="doubt",
        received_at=NOW,
    )
    InboundMessage.objects.create(
        provider="twilio", channel="sms", sender="+911", text="later", received_at=NOW
    )
    rows = admin_client.get(page(InboundMessage)).context["cl"].result_list
    assert [row.text for row in rows] == ["I am not interested", "later", received.text]
    html = admin_client.get(page(InboundMessage, "change", doubtful.pk)).content.decode()
    assert "This may be a wish to opt out" in html
    url = page(InboundMessage, "opt_out", doubtful.pk)
    assert staff("messaging.view_inboundmessage").post(url, {"confirmed": "yes"}).status_code == 403
    assert "Does the doctor want that?" in admin_client.get(url).content.decode()
    standing = UnsubscribeRecord.objects.standing().filter(channel="whatsapp", source="reply")
    assert not standing.filter(doctor=received.doctor).exists()
    answer = admin_client.post(url, {"confirmed": "yes"}, follow=True)
    assert messages_of(answer) == ["The doctor is opted out of this channel."]
    assert standing.filter(doctor=received.doctor).exists()


def test_answer_is_written_on_the_page_and_shown_with_what_became_of_it(admin_client, received):
    html = admin_client.get(page(InboundMessage, "change", received.pk)).content.decode()
    assert "WhatsApp takes an answer for another 23\xa0hours, 50\xa0minutes" in html
    url = page(InboundMessage, "answer", received.pk)
    form = {"text": " On Monday.\r\nAt ten. ", "seen": seen(received)}
    answered = admin_client.post(url, form, follow=True)
    assert messages_of(answered) == ["The answer is on its way. The message counts as handled."]
    html = answered.content.decode()
    assert "Answered by admin." in html
    assert "<textarea" not in html  # while one is under way
    state = page(InboundMessage, "answer_state", received.pk)
    assert admin_client.get(state).json() == {"under_way": True}
    assert send_replies(NOW) == 1
    assert admin_client.get(state).json() == {"under_way": False}
    html = admin_client.get(page(InboundMessage, "change", received.pk)).content.decode()
    assert '<span class="inbox-sent">Sent</span>' in html
    assert "On Monday.\nAt ten." in html
    assert "Another answer" in html


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("  ", "Write an answer first."),
        ("x" * 1025, "It has 1,025 characters; an answer has 1,024 at most."),
        ("Dear {{first_name}}", "Variables are not filled in replies"),
        ("See https://elsewhere.example/x", "elsewhere.example/x may not be linked to."),
    ],
)
def test_answer_that_cannot_go_out_stays_in_the_box_with_why(admin_client, received, text, why):
    url = page(InboundMessage, "answer", received.pk)
    html = admin_client.post(url, {"text": text, "seen": seen(received)}).content.decode()
    assert why in html
    assert text.strip() in html
    assert not Reply.objects.exists()


def test_answer_after_a_colleagues_shows_theirs_and_keeps_ones_own(admin_client, received):
    before = seen(received)
    answer(received, "On Monday.", User.objects.create_user("anna"), before, NOW)
    send_replies(NOW)
    url = page(InboundMessage, "answer", received.pk)
    html = admin_client.post(url, {"text": "Soon.", "seen": before}).content.decode()
    assert "anna answered just now. Yours was not sent." in html
    assert "On Monday." in html
    assert "Soon.</textarea>" in html
    received.refresh_from_db()
    assert f'name="seen" value="{seen(received)}"' in html
    assert Reply.objects.count() == 1


def test_page_says_why_nothing_can_be_answered_and_what_to_do(admin_client, received):
    InboundMessage.objects.update(received_at=NOW - 30 * HOUR)
    html = admin_client.get(page(InboundMessage, "change", received.pk)).content.decode()
    assert "nothing but approved templates" in html
    assert "Call the doctor or write from your own mailbox" in html
    assert "<textarea" not in html
    optout.opt_out(received.doctor_id, "whatsapp", None, source="test", now=NOW)
    html = admin_client.get(page(InboundMessage, "change", received.pk)).content.decode()
    assert "opted out of WhatsApp, so nothing may be sent there, an answer neither" in html


def test_answering_needs_the_permission(received):
    client = staff("messaging.view_inboundmessage")
    html = client.get(page(InboundMessage, "change", received.pk)).content.decode()
    assert received.text in html
    assert "<textarea" not in html
    url = page(InboundMessage, "answer", received.pk)
    assert client.post(url, {"text": "Yes", "seen": seen(received)}).status_code == 403
    assert not Reply.objects.exists()


def test_marking_needs_the_permission(received):
    client = staff("messaging.view_inboundmessage")
    client.post(page(InboundMessage, "handle", received.pk), {"confirmed": "yes"})
    client.post(
        page(InboundMessage), {"action": "handle_selected", "_selected_action": received.pk}
    )
    received.refresh_from_db()
    assert received.handled_at is None


def test_a_message_cannot_break_out_of_its_page(admin_client, received):
    InboundMessage.objects.update(text="<script>alert(1)</script>", button="<b>x</b>")
    for url in (page(InboundMessage), page(InboundMessage, "change", received.pk)):
        html = admin_client.get(url).content.decode()
        assert "<script>alert(1)" not in html
        assert "&lt;script&gt;alert(1)" in html


def test_a_suppression_is_lifted_after_a_question(admin_client, received):
    held = Suppression.objects.get()
    url = page(Suppression, "lift", held.pk)
    question = admin_client.get(url).content.decode()
    assert "Hard bounce, 04 Mar 2026" in question
    held.refresh_from_db()
    assert held.lifted_at is None
    answer = admin_client.post(url, {"confirmed": "yes"}, follow=True)
    assert messages_of(answer) == ["Suppressions lifted: 1."]
    held.refresh_from_db()
    assert (held.lifted_at, held.lifted_by.username) == (NOW, "admin")


def test_lifting_needs_the_permission(received):
    held = Suppression.objects.get()
    client = staff("messaging.view_suppression")
    assert client.post(page(Suppression, "lift", held.pk), {"confirmed": "yes"}).status_code == 403
    held.refresh_from_db()
    assert held.lifted_at is None


def test_a_keyword_that_opts_out_is_refused_in_words(admin_client):
    form = {"keyword": "Stop!", "channel": "whatsapp", "reply": "x", "is_active": "on"}
    answer = admin_client.post(page(KeywordReply, "add"), form)
    assert "STOP already opts the doctor out or back in." in answer.content.decode()
    admin_client.post(page(KeywordReply, "add"), form | {"keyword": "Demo!"})
    assert KeywordReply.objects.get().keyword == "DEMO"
