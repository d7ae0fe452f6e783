"""Texts go after a while, figures stay."""

import os
import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from messaging.evidence import NoText, sent_text
from messaging.models import (
    HandedOver,
    InboundMessage,
    MessageDelivery,
    ProviderEvent,
    Suppression,
)
from messaging.privacy import files, retention
from segments.models import ImportRejection, ImportRun
from segments.models.fields import uuid7
from tests.engine import NOW
from tests.messaging.privacy import canary, dump

pytestmark = pytest.mark.django_db
OLD = timedelta(days=401)


@pytest.fixture
def world():
    canary.make()
    ImportRun.objects.update(started_at=NOW)
    InboundMessage.objects.update(event=None)
    Suppression.objects.update(event=None)
    for number, event in enumerate(ProviderEvent.objects.all()):  # with keys of that day
        key = uuid.UUID(int=retention.first_key(NOW).int + number)
        ProviderEvent.objects.filter(pk=event.pk).update(id=key)


def test_nothing_goes_before_its_time(world) -> None:
    before = dump.of_database()
    assert set(vars_of(retention.prune(NOW + timedelta(days=400)))) == {0}
    assert dump.of_database() == before


def test_texts_go_and_figures_stay(world) -> None:
    counts = {name: text.count("\n") for name, text in dump.of_database().items()}
    done = retention.prune(NOW + OLD)
    assert (done.windows, done.reports, done.messages, done.rejected) == (2, 2, 1, 4)
    assert done.sandbox > 0
    for name in ("handed_over", "provider_events", "inbound_messages", "import_rejections"):
        assert canary.found(dump.of_database()[name]) == set(), name
    after = {name: text.count("\n") for name, text in dump.of_database().items()}
    assert after.pop("handed_over") == 0
    counts.pop("handed_over")
    assert after == counts
    shown = sent_text(MessageDelivery.objects.filter(token__isnull=False).first())
    assert isinstance(shown, NoText)
    assert "not kept (any more)" in shown.reason
    assert set(vars_of(retention.prune(NOW + OLD))) == {0}


def vars_of(done) -> list[int]:
    return [getattr(done, name) for name in done.__slots__]


def test_first_key_is_before_every_key_of_its_moment_and_after_those_before() -> None:
    before = timezone.now() - timedelta(milliseconds=1)
    key = uuid7()
    assert (
        retention.first_key(before)
        < key
        < retention.first_key(timezone.now() + timedelta(milliseconds=2))
    )


def test_batches_go_on_until_nothing_is_left(world, monkeypatch) -> None:
    monkeypatch.setattr(retention, "BATCH", 1)
    monkeypatch.setattr(retention, "WINDOWS", 1)
    done = retention.prune(NOW + OLD)
    assert (done.windows, done.reports, done.rejected) == (2, 2, 4)
    assert HandedOver.objects.count() == 0
    assert not ImportRejection.objects.exclude(value="").exists()


def test_uploads_that_nobody_confirmed_go_after_a_day(settings) -> None:
    folder = settings.MEDIA_ROOT / files.UPLOADS
    folder.mkdir(parents=True)
    for name, age in (("new", 0), ("old", 86_500)):
        (folder / name).write_text("x")
        at = (folder / name).stat().st_mtime - age
        os.utime(folder / name, (at, at))
    assert files.drop_uploads(files.FORGOTTEN_AFTER) == 1
    assert [path.name for path in files.uploads()] == ["new"]
