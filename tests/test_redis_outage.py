"""Redis killed, frozen and emptied under a real worker and a web server: nobody waits for it."""

import http.client
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from django.conf import settings
from django.contrib.auth import get_user_model
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from campaigns.models import Campaign
from messaging import heartbeat
from messaging.models import Heartbeat, HeartbeatKind, MessageDelivery, MessageTemplate
from tests.office import (
    Office,
    await_that,
    certificate_campaign,
    schedule_here,
    statuses,
)
from tests.providers.slow import PORT, Desk
from tests.servers import Valkey, free_port, own_valkey

pytestmark = pytest.mark.django_db(transaction=True)

LONGEST = 5.0  # seconds that a request takes at most, on a machine that is busy


@dataclass
class Site:
    """What runs in the tests of this file."""

    office: Office
    valkey: Valkey
    desk: Desk
    port: int

    def get(self, path: str, cookie: str = "") -> tuple[int, bytes, float]:
        """Status, body and seconds."""
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        began = time.monotonic()
        client.request("GET", path, headers={"Cookie": cookie, "User-Agent": "Mozilla"})
        response = client.getresponse()
        body = response.read()
        client.close()
        return response.status, body, time.monotonic() - began

    def answers(self) -> bool:
        try:
            return self.get("/favicon.ico")[0] == 204
        except OSError:
            return False


@pytest.fixture(scope="module")
def site(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A worker and a web server on a Redis of their own; there is no scheduler that rings."""
    place = tmp_path_factory.mktemp("site")
    desk = Desk()
    with own_valkey(place) as valkey:
        office = Office(place / "log", valkey.url)
        port = free_port()
        office.start_worker(
            POLL_AFTER_SECONDS="2",
            HEARTBEAT_SECONDS="0.5",
            WHATSAPP_PROVIDER="slow",
            **{PORT: str(desk.port)},
        )
        bind = ["--bind", f"127.0.0.1:{port}", "--threads", "4", "--no-control-socket"]
        office.start("gunicorn", "reengage.wsgi", *bind, HEARTBEAT_SECONDS="0.5")
        yield Site(office, valkey, desk, port)
        office.close()
    desk.close()


@pytest.fixture(autouse=True)
def _log(site: Site) -> Iterator[None]:
    written = site.office.log.stat().st_size
    yield
    with site.office.log.open() as log:
        log.seek(written)
        print(log.read())  # pytest shows it with a test that failed


def schedule(campaign: Campaign, name: str, channel: str = "sms") -> MessageDelivery:
    """A message that is due now to a new doctor."""
    heartbeat.begin(channel, timezone.now())  # nobody polls for the next two seconds
    schedule_here(campaign, {name: channel})
    return MessageDelivery.objects.get(doctor__last_name=name)


def both_give_signs() -> bool:
    """Whether worker and web server were heard of since the table was empty."""
    return set(Heartbeat.objects.values_list("kind", flat=True)) >= {"worker", "web"}


def pages(delivery: MessageDelivery) -> dict[str, int]:
    """What people open, and the status that they get."""
    template = MessageTemplate.objects.get(template_key="unclaimed_certificates.email.1")
    return {
        reverse("admin:login"): 302,  # they are in already
        reverse("admin:index"): 200,
        reverse("admin:messaging_messagetemplate_change", args=[template.pk]): 200,
        reverse("messaging:link", args=[delivery.token]): 302,
        reverse("messaging:preferences", args=[delivery.token]): 200,
        "/healthz": 200,
    }


@pytest.mark.parametrize("state", ["killed", "frozen", "emptied"])
def test_without_redis_messages_go_out_pages_come_and_the_worker_returns(
    site: Site, state: str
) -> None:
    await_that(site.answers, "the web server answers")
    campaign = certificate_campaign()
    browser = Client()
    browser.force_login(get_user_model().objects.create_superuser("boss"))
    cookie = f"{settings.SESSION_COOKIE_NAME}={browser.cookies['sessionid'].value}"
    before = schedule(campaign, "Before")
    await_that(lambda: statuses() == {("Before", "sms"): "sent"}, "polling sends")
    before.refresh_from_db()
    heartbeat.beat(HeartbeatKind.BEAT, timezone.now(), timezone.now())
    await_that(both_give_signs, "both give signs of life")
    for path, expected in pages(before).items():
        assert site.get(path, cookie)[0] == expected, path

    site.valkey.break_down(state)
    for path, expected in pages(before).items():
        status, body, seconds = site.get(path, cookie)
        print(state, path, f"{seconds:.2f}")
        assert (status, seconds < LONGEST) == (expected, True), (path, seconds)
    told = json.loads(body)
    assert told["ok"]
    assert told["checks"]["redis"]["ok"] is (state == "emptied")
    MessageDelivery.objects.all().delete()
    schedule(campaign, "Meanwhile")
    await_that(lambda: statuses() == {("Meanwhile", "sms"): "sent"}, "sending goes on")
    Heartbeat.objects.exclude(kind="lane").delete()
    await_that(both_give_signs, "both give signs of life all the while")

    site.valkey.mend(state)
    site.office.run("messaging.tasks.reap_expired_leases")  # the worker came back alone
    assert all(process.poll() is None for process in site.office.processes)


def test_lane_is_not_cut_when_redis_blinks(site: Site) -> None:
    delivery = schedule(certificate_campaign(), "Blink", "whatsapp")
    site.office.client.send_task(
        "messaging.tasks.send_lane", ["whatsapp"], queue="whatsapp", ignore_result=True
    )
    call = site.desk.call()
    assert call.deliveries == [str(delivery.pk)]
    assert call.pid != site.office.processes[0].pid  # in a child, not by polling
    site.valkey.kill()
    await_that(
        lambda: "Connection to broker lost" in site.office.log.read_text()[-5000:],
        "the worker has noticed",
    )
    call.answer()
    await_that(lambda: statuses() == {("Blink", "whatsapp"): "sent"}, "the lane has ended")
    site.valkey.start()
    site.office.run("messaging.tasks.reap_expired_leases")
