"""What was filled into which text is kept before a provider hears of it; so is every version."""

import pytest
from django.contrib.auth.models import User
from django.db import transaction

from campaigns.schedule import schedule_due
from messaging import render
from messaging.authorize import authorize_due, hand_over
from messaging.models import HandedOver, MessageDelivery, MessageTemplate, TemplateVersion
from messaging.record import Tally
from messaging.send import send_due
from tests.engine import NOW, enrolled
from tests.messaging.test_frozen import Killed, killed

pytestmark = pytest.mark.django_db


def due(count, **fields):
    enrolled(count, days=(0,), **{"channels": ("sms",), **fields})
    schedule_due(NOW)


def kept_of(delivery):
    """What was handed over under the delivery's claim."""
    return HandedOver.objects.content(delivery.claim_id, delivery.pk)


def test_what_is_handed_over_can_be_filled_in_again_word_for_word(provider):
    due(3)
    send_due("sms", NOW)
    MessageTemplate.objects.update(template_content="Another text {{shortlink}}")
    for delivery in MessageDelivery.objects.select_related("sandbox_message", "doctor"):
        version_id, variables, _, recipient, is_free_text = kept_of(delivery)
        assert (recipient, is_free_text) == (delivery.doctor.phone, False)
        content = TemplateVersion.objects.get(pk=version_id).content
        links = render.links(delivery.token)
        text = render.render_message(
            "sms", content["template_content"], content["subject_line"], variables, links
        ).text
        assert text == delivery.sandbox_message.text
        assert delivery.doctor.last_name in text
    assert HandedOver.objects.count() == 1


def test_only_what_the_text_needs_is_kept():
    due(1)
    send_due("sms", NOW)
    variables = kept_of(MessageDelivery.objects.get()).variables
    assert set(variables) == {"last_name", "session_name", "shortlink"}


def test_what_a_killed_worker_sent_is_known(provider):
    due(2)
    scripted = provider()
    scripted.during = killed
    with pytest.raises(Killed):
        send_due("sms", NOW)
    for delivery in MessageDelivery.objects.all():
        assert kept_of(delivery).variables["last_name"] == delivery.doctor.last_name


def test_a_hand_over_that_comes_too_late_keeps_nothing():
    due(1)
    (claim,) = authorize_due("sms", NOW, 500).claims
    assert not hand_over(claim.claim_id, NOW.replace(year=NOW.year + 1))
    assert not HandedOver.objects.exists()


def test_a_default_stands_where_a_value_is_missing_and_is_kept(provider):
    due(2)
    MessageTemplate.objects.update(
        template_content="{{specialty}} {{shortlink}}", defaults={"specialty": "your field"}
    )
    first = MessageDelivery.objects.order_by("pk").first()
    first.doctor.specialty = "Cardiology"
    first.doctor.save()
    other = MessageDelivery.objects.exclude(pk=first.pk).get()
    other.doctor.specialty = ""
    other.doctor.save()
    assert send_due("sms", NOW) == Tally(sent=2)
    for delivery, word in ((first, "Cardiology"), (other, "your field")):
        delivery.refresh_from_db()
        assert delivery.sandbox_message.text.startswith(word)
        assert kept_of(delivery).variables["specialty"] == word


# --- Versions -------------------------------------------------------------------------------


def template():
    due(1)
    return MessageTemplate.objects.get()


def numbers():
    return list(TemplateVersion.objects.values_list("number", flat=True))


def test_each_change_is_a_version_whoever_writes_it():
    text = template()
    assert numbers() == [1]
    text.title = "Another"
    text.save()
    MessageTemplate.objects.update(template_content="By SQL {{shortlink}}")
    assert numbers() == [3, 2, 1]
    newest = TemplateVersion.objects.first()
    assert newest.content["template_content"] == "By SQL {{shortlink}}"
    assert newest.content["title"] == "Another"


def test_what_changes_by_itself_makes_no_version():
    text = template()
    text.save()
    MessageTemplate.objects.update(approval_status="approved", approval_detail="yes")
    assert numbers() == [1]


@pytest.mark.django_db(transaction=True)
def test_a_version_is_signed_by_who_made_it_and_no_other():
    user, other = (User.objects.create(username=name) for name in ("asha", "meera"))
    text = template()
    with transaction.atomic():
        text.title = "New"
        text.save()
        assert TemplateVersion.objects.sign(text, user, "a better title")
    with transaction.atomic():
        text.save()  # nothing has changed
        assert not TemplateVersion.objects.sign(text, other)
    signed = TemplateVersion.objects.values_list("number", "saved_by__username", "note")
    assert list(signed) == [(2, "asha", "a better title"), (1, None, "")]
