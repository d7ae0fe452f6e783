"""What is said of a report: why a machine's does not count, and what was done with it."""

from datetime import timedelta

import pytest

from messaging import reported
from messaging.models import ProviderEvent
from tests.engine import NOW

S = timedelta(seconds=1)


def event(at=NOW, kind="clicked", *, is_machine=True, provider="link", **detail):
    return ProviderEvent(
        provider=provider, kind=kind, occurred_at=at, is_machine=is_machine, detail=detail
    )


@pytest.mark.parametrize(
    ("detail", "words"),
    [
        ({"machine": "head"}, "scanner: it asked for the headers only"),
        ({"machine": "hidden"}, "hidden link: no person sees it"),
        ({"machine": "prefetch"}, "preview: loaded ahead of any click"),
        ({"machine": "agent", "agent": ""}, "scanner: it does not say what it is"),
        ({"machine": "agent", "agent": "Proofpoint"}, "scanner: it calls itself “Proofpoint”"),
        ({"machine": "agent", "agent": "WhatsApp/2"}, "preview: it calls itself “WhatsApp/2”"),
    ],
)
def test_machine_is_explained_by_its_request(detail, words):
    assert reported.why_machine(event(**detail)) == words


def test_machine_is_explained_by_its_time(settings):
    settings.LINK_HUMAN_AFTER = 2 * S
    hit = event(link="target")
    why = reported.why_machine
    assert why(hit, [NOW - S]) == "too soon after sending: 1.0 s"
    assert why(hit, [], [event(NOW + 9 * S, link="hidden")]).startswith("hidden link")
    assert why(hit, [], [event(NOW + S, "looked", link="preferences")]).startswith("scanner: two")
    elsewhere = [event(NOW + 11 * S, link="hidden"), event(NOW + S, link="target")]
    assert why(hit, [NOW - 2 * S], elsewhere).startswith("by its time")
    assert why(event(provider="sendgrid")) == "the provider says so"


def test_person_needs_no_explanation():
    assert reported.why_machine(event(is_machine=False)) == ""


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"processed_at": NOW}, "Counted"),
        ({"processed_at": NOW, "is_machine": True}, "Kept, not counted"),
        ({}, "Waits"),
        ({"parked_at": NOW}, "Put aside"),
        ({"parked_at": NOW, "received_at": NOW - timedelta(days=1)}, "Ignored"),
    ],
)
def test_fate_of_a_report_is_told(fields, words):
    found = event(is_machine=False)
    for name, value in {"received_at": NOW, **fields}.items():
        setattr(found, name, value)
    assert reported.fate(found, NOW).startswith(words)
