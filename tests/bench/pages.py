"""The admin and the API, with a million doctors and deliveries: what the server takes for each."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from django.apps import apps
from django.contrib.auth.models import User
from django.test import Client, override_settings
from django.urls import resolve, reverse

from campaigns.api import keys
from campaigns.models import ApiScope, Campaign
from messaging.models import MessageDelivery
from reengage.sidebar import SIDEBAR
from segments.models import Doctor
from tests.bench import programs, questions
from tests.bench.measure import Figure, execute
from tests.bench.million import fill
from tests.bench.opened import Ask, figure, opened, words

GIVE_UP_SECONDS = 30  # a statement


def run(rows: int = 1_000_000) -> list[Figure]:
    """Open every page of the sidebar, one row of each, each question, and what programs ask."""
    fill(rows)
    execute(f"SET statement_timeout = '{GIVE_UP_SECONDS}s'")
    user = User.objects.create_superuser("bench")
    _, key = keys.make("bench", user, ApiScope.values)
    client = Client(raise_request_exception=False, headers={"Authorization": f"Bearer {key}"})
    client.force_login(user)
    with override_settings(ALLOWED_HOSTS=["testserver"], SECURE_SSL_REDIRECT=False):
        nothing = Ask("a page that shows nothing (the floor)", reverse("admin:password_change"))
        looks = sorted([opened(client, nothing) for _ in range(6)][1:], key=lambda it: it.seconds)
        floor = looks[2]  # of five, the middle one
        figures = [Figure(nothing.name, words(floor, floor))]
        every = chain(_pages(), _more(), questions.asks(user), programs.asks())
        figures += (figure(client, ask, floor) for ask in every)
    execute("RESET statement_timeout")
    return figures


def _pages() -> Iterator[Ask]:
    """Each page of the sidebar."""
    for group in SIDEBAR["navigation"]:
        for item in group["items"]:
            path = str(item["link"])
            yield Ask(item["title"], path)
            name = resolve(path).url_name or ""
            if name.endswith("_changelist") and (row := _one_of(name)):
                yield Ask(f"{item['title']}: one", row)


def _one_of(changelist: str) -> str | None:
    """The page of a row in the middle of its table; None where it is empty."""
    app_label, model_name, _ = changelist.rsplit("_", 2)
    rows = apps.get_model(app_label, model_name)._default_manager.order_by("pk")
    half = rows.values_list("pk", flat=True)[rows.count() // 2 :].first()
    if half is None:
        return None
    return reverse(f"admin:{app_label}_{model_name}_change", args=[half])


def _more() -> Iterator[Ask]:
    """What people do on those pages: search, filter, turn the page, ask."""
    doctor = Doctor.objects.order_by("-pk")[100]
    deliveries = reverse("admin:messaging_messagedelivery_changelist")
    doctors = reverse("admin:segments_doctor_changelist")
    campaign = Campaign.objects.order_by("pk").last()
    yield Ask("Doctors: searched by name", f"{doctors}?q={doctor.last_name}")
    yield Ask("Doctors: searched by e-mail", f"{doctors}?q={doctor.email}")
    yield Ask("Deliveries: page 3", f"{deliveries}?p=3")
    for status in ("failed", "scheduled", "delivered"):
        yield Ask(f"Deliveries: {status}", f"{deliveries}?status__exact={status}")
    assert campaign is not None
    for page in ("results", "preflight", "people"):
        yield Ask(f"Campaign: {page}", _of_campaign(page, campaign))
    for why in ("enrolled", "under_way"):
        people = f"{_of_campaign('people', campaign)}?why={why}"
        yield Ask(f"Campaign: people, {why}", people)
    for title, page in (
        ("figures of the steps", _of_campaign("figures", campaign)),
        ("people", f"{_of_campaign('people', campaign)}?part=1"),
        ("pre-flight", f"{_of_campaign('preflight', campaign)}?part=1"),
    ):
        yield Ask(f"Campaign: {title}, loaded after", page, is_part=True)
    message = MessageDelivery.objects.filter(enrollment__campaign=campaign).first()
    assert message is not None
    yield Ask("Why (not)?", f"{_of_campaign('why', campaign)}?doctor={message.doctor_id}")
    timeline = reverse("admin:segments_doctor_timeline", args=[message.doctor_id])
    yield Ask("Doctors: timeline", timeline)


def _of_campaign(page: str, campaign: Campaign) -> str:
    return reverse(f"admin:campaigns_campaign_{page}", args=[campaign.pk])
