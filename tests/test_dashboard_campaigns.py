"""Running campaigns on the first page: looked at once a minute, and at once when they change."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils.timezone import localtime

from campaigns.experiments.lifecycle import start
from campaigns.models import Campaign
from messaging.models import MessageTemplate
from reengage import health
from tests import engine
from tests.campaigns.experiments.worlds import another_text, experiment
from tests.engine import NOW

pytestmark = pytest.mark.django_db

HOME = reverse("admin:index")


@pytest.fixture(autouse=True)
def _clock() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


def stuck() -> Campaign:
    """One that can't send: a text of it is for another segment."""
    found = engine.campaign(days=(0,), channels=("sms", "email"))
    template = found.steps.get(channel="sms").template
    template.segment_type = "no_show"
    template.save()
    return found


def seen(later: int = 0) -> dict[str, Any]:
    """What is wrong with campaigns, so many seconds later, and when that was found."""
    found = health.problems(NOW + timedelta(seconds=later))
    return {one.text: one.found_at for one in found if "can't send" in one.text}


def test_a_look_at_running_campaigns_is_kept_with_its_time(admin_client: Client) -> None:
    stuck()
    (text,) = seen()
    assert seen(30) == {text: NOW}
    with time_machine.travel(NOW + timedelta(seconds=30), tick=False):
        html = admin_client.get(HOME).content.decode()
    assert f"(found at {localtime(NOW):%H:%M:%S})" in html


def mended(campaign: Campaign) -> None:
    step = campaign.steps.get(channel="sms")
    MessageTemplate.objects.filter(pk=step.template.pk).update(segment_type=campaign.segment_type)


def taken_out(campaign: Campaign) -> None:
    campaign.steps.get(channel="sms").delete()


@pytest.mark.parametrize("mend", [mended, taken_out])
def test_a_mend_of_a_running_campaign_shows_at_once(mend: Callable[[Campaign], None]) -> None:
    campaign = stuck()
    assert len(seen()) == 1
    mend(campaign)
    assert seen(1) == {}


def test_a_new_name_of_a_running_campaign_shows_at_once() -> None:
    campaign = stuck()
    assert len(seen()) == 1
    Campaign.objects.filter(pk=campaign.pk).update(name="Autumn")
    (told,) = seen(1).items()
    assert told[0].startswith("“Autumn” can't send.")
    assert told[1] is None


def test_an_approval_that_is_lost_shows_at_once(settings: Any) -> None:
    settings.MESSAGE_PROVIDERS = {**settings.MESSAGE_PROVIDERS, "whatsapp": "interakt"}
    campaign = engine.campaign(days=(0,), channels=("whatsapp",))
    templates = MessageTemplate.objects.filter(steps__campaign=campaign)
    templates.update(approval_status="pending", whatsapp_name="hello", whatsapp_language="en")
    assert [text for text in seen() if "waiting for approval" in text]
    templates.update(approval_status="rejected")
    assert [text for text in seen(1) if "not approved it: rejected" in text]


def test_a_variant_that_can_no_longer_go_shows_at_once() -> None:
    step = engine.campaign(days=(0,), channels=("email",)).steps.get()
    other = another_text(step, f"{engine.TEXTS['email']} Now.")
    start(
        experiment(step, {"template": other}, kind="personalisation", metric="clicked"), NOW, None
    )
    before = seen()
    MessageTemplate.objects.filter(pk=other.pk).update(template_content="{{#broken")
    assert len(seen(1)) == len(before) + 1


def test_without_a_cache_running_campaigns_are_looked_at_each_time(settings: Any) -> None:
    away = {**settings.CACHES["default"], "LOCATION": "redis://127.0.0.1:1/0"}
    settings.CACHES = {"default": away}
    stuck()
    assert list(seen().values()) == [None]
    assert list(seen(30).values()) == [None]


def test_many_running_campaigns_are_looked_at_with_the_same_queries() -> None:
    counts = []
    for _ in range(2):
        stuck()
        seen()
        with CaptureQueriesContext(connection) as captured:
            seen(1)
        counts.append(len(captured))
    assert counts[0] == counts[1]
