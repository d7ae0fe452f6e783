"""Keys: shown once, kept as a digest, bounded by scopes and their owner's permissions."""

from datetime import timedelta

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from campaigns.api import keys, throttle
from campaigns.models import ApiKey
from reengage import cache as reengage_cache
from tests.api.world import ALL, Program, boss, owner

pytestmark = pytest.mark.django_db


def test_key_is_kept_as_a_digest_only() -> None:
    key, text = keys.make("Platform", boss(), ALL)
    assert text.startswith(f"clr_{key.prefix}_")
    row = ApiKey.objects.filter(pk=key.pk).values().get()
    secret = text.split("_", 2)[2]
    assert len(secret) == 43  # 256 bits
    assert all(secret not in str(value) for value in row.values())
    assert row["digest"] == keys.digest(text)


def test_key_is_found_by_its_whole_text_only() -> None:
    key, text = keys.make("Platform", boss(), ALL)
    now = timezone.now()
    assert keys.find(text, now) == key
    wrong = (
        text[:-1],
        f"{text}x",
        text.upper(),
        f"clr_{key.prefix}_",
        key.prefix,
        "",
        "clr__x",
        f"clr_{'0' * 10}_{text.split('_', 2)[2]}",
        text.replace("clr", "crl"),
        f"{text}é",
    )
    assert [keys.find(each, now) for each in wrong] == [None] * len(wrong)


def test_revoked_expired_unknown_and_ownerless_keys_get_the_same_answer() -> None:
    program = Program()
    now = timezone.now()
    unknown = program.text[:-4] + "aaaa"
    answers = [program.client.get("/api/v1/campaigns")]
    answers.append(program.get("/campaigns", Authorization=f"Bearer {unknown}"))
    ApiKey.objects.update(expires_at=now - timedelta(seconds=1))
    answers.append(program.get("/campaigns"))
    ApiKey.objects.update(expires_at=None)
    assert program.get("/campaigns").status_code == 200
    keys.revoke(program.key, now)
    answers.append(program.get("/campaigns"))
    ApiKey.objects.update(revoked_at=None)
    for lost in ("is_active", "is_staff"):
        User.objects.filter(pk=program.key.owner.pk).update(**{lost: False})
        answers.append(program.get("/campaigns"))
        User.objects.filter(pk=program.key.owner.pk).update(**{lost: True})
    assert program.get("/campaigns").status_code == 200
    assert {(one.status_code, one.content) for one in answers} == {(401, answers[0].content)}
    assert answers[0].headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("lost", ["is_active", "is_staff"])
def test_key_of_an_owner_who_lost_their_place_is_told_so_in_the_admin(lost: str) -> None:
    key, _ = keys.make("Platform", owner("left"), ALL)
    shown = admin.site._registry[ApiKey]
    assert (key.has_owner, shown.state(key)) == (True, "Works")
    setattr(key.owner, lost, False)
    assert (key.has_owner, shown.state(key)) == (False, "Owner may not log in")


def test_key_without_the_scope_is_told_which() -> None:
    refused = Program(scopes=["campaigns:read"]).get("/templates")
    assert (refused.status_code, refused.data["type"]) == (403, "urn:clirnet:problem:scope-missing")
    assert "templates:read" in refused.data["detail"]


def test_key_can_do_no_more_than_its_owner() -> None:
    program = Program(owner("viewer", "campaigns.view_campaign"))
    assert program.get("/campaigns").status_code == 200
    refused = program.post("/campaigns", {"name": "X", "segment_type": "no_show"})
    assert refused.status_code == 403
    assert "campaigns.add_campaign" in refused.data["detail"]


def test_use_is_noted_once_a_minute(django_assert_num_queries: object) -> None:
    program = Program()
    first = timezone.now()
    keys.note_use(program.key, first)
    used = ApiKey.objects.get(pk=program.key.pk)
    assert used.last_used_at == first
    with django_assert_num_queries(0):  # type: ignore[operator]
        keys.note_use(used, first + timedelta(seconds=59))
    keys.note_use(used, first + timedelta(seconds=61))
    assert ApiKey.objects.get(pk=used.pk).last_used_at == first + timedelta(seconds=61)


def test_session_of_the_admin_opens_nothing() -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(boss())
    assert browser.get("/api/v1/campaigns").status_code == 401
    assert browser.post("/api/v1/campaigns", {}).status_code == 401


def test_key_that_asks_too_often_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttle, "PER_MINUTE", 2)
    monkeypatch.setattr(throttle.time, "time", lambda: 1_800_000_030.0)
    program, other = Program(), Program()
    answers = [program.get("/campaigns") for _ in range(3)]
    assert [one.status_code for one in answers] == [200, 200, 429]
    assert [one.headers["RateLimit-Remaining"] for one in answers] == ["1", "0", "0"]
    assert answers[2].headers["Retry-After"] == answers[2].headers["RateLimit-Reset"] == "30"
    assert other.get("/campaigns").status_code == 200
    monkeypatch.setattr(throttle.time, "time", lambda: 1_800_000_060.0)
    assert program.get("/campaigns").status_code == 200


def test_without_redis_nobody_is_held_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttle, "PER_MINUTE", 1)
    away = {name: float("inf") for name in [throttle.cache._cache._name]}
    monkeypatch.setattr(reengage_cache.Client, "away_until", away)
    program = Program()
    assert [program.get("/campaigns").status_code for _ in range(3)] == [200, 200, 200]
