"""Bodies that are no good: each is refused in words, and nothing is done."""

import gzip
import json
from typing import Any

import pytest

from campaigns.models import ApiBatch, Campaign
from segments.models import Doctor
from tests.api.world import JSON, ROOT, Program

pytestmark = pytest.mark.django_db

GOOD = {"name": "x", "segment_type": "no_show"}


def _with(**fields: Any) -> bytes:
    return json.dumps({**GOOD, **fields}).encode()


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b'{"name": "x"} and more', 400),
        (b"", 422),
        (b"null", 422),
        (b"[]", 422),
        (b"\xff\xfe\x00", 400),
        (b"[" * 100_000, 400),
        (b'{"a":' * 30 + b"1" + b"}" * 30, 400),
        (b'{"priority": ' + b"9" * 5000 + b"}", 400),
        (_with(priority=10**20), 422),
        (_with(priority="ten"), 422),
        (_with(name={"a": 1}), 422),
        (_with(name="a\0b"), 422),
        (b'{"name": "a\\ud800b", "segment_type": "no_show"}', 422),
        (b'{"name": "x", "segment_type": "no_show", "\\ud800": 1}', 422),
        (_with(start_date="2026-04-01T10:00:00"), 422),
        (_with(start_date="9999-12-31T23:59:59Z"), 422),
        (_with(steps=[{"day": 0, "template": "x"}] * 201), 422),
        (_with(status="active"), 422),
        (b'{"name": "' + b"x" * 1_000_000 + b'"}', 413),
    ],
)
def test_body_that_is_no_good_makes_no_campaign(body: bytes, status: int) -> None:
    refused = _raw(Program(), "/campaigns", body)
    assert refused.status_code == status
    _is_problem(refused)
    assert not Campaign.objects.exists()


@pytest.mark.parametrize(
    ("kind", "headers", "status"),
    [
        ("application/x-www-form-urlencoded", {}, 415),
        ("text/plain", {}, 415),
        ("", {}, 415),
        (JSON, {"Content-Encoding": "gzip"}, 415),
        (JSON, {"Transfer-Encoding": "chunked"}, 411),
    ],
)
def test_body_of_another_kind_is_refused(kind: str, headers: dict[str, str], status: int) -> None:
    refused = _raw(Program(), "/campaigns", _with(), kind, **headers)
    assert refused.status_code == status
    _is_problem(refused)
    assert not Campaign.objects.exists()


def test_batch_that_is_too_large_or_packed_leaves_nothing() -> None:
    program = Program()
    rows = [{"doctor_id": f"p{number}", "name": "A B"} for number in range(10_001)]
    once = {"Idempotency-Key": "b1"}
    many = _raw(program, "/activity/doctors", json.dumps({"rows": rows}).encode(), **once)
    packed = gzip.compress(json.dumps({"rows": rows[:2]}).encode())
    assert many.status_code == 422
    assert _raw(program, "/activity/doctors", packed, **once).status_code == 400
    assert not Doctor.objects.exists()
    assert not ApiBatch.objects.exists()


def test_same_row_thrice_goes_in_once() -> None:
    done = Program().report("doctors", *[{"doctor_id": "p1", "name": "A B"}] * 3)
    assert (done.data["created"], done.data["rejected"]) == (1, 2)


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("/campaigns/123", 404),
        ("/campaigns/no_show.sms.1", 404),
        ("/templates/a%00b", 422),
        ("/templates/%ED%A0%80", 404),
        ("/campaigns?limit=-1", 422),
        ("/campaigns?page=-2", 422),
        ("/campaigns?cursor=%00%ff", 422),
        ("/suppressions/opt-outs?doctor_id=a%00", 422),
        ("/analytics/kpis?from=0000-00-00", 422),
        ("/analytics/kpis?campaign=7", 422),
        ("/camp%00aigns", 404),
    ],
)
def test_address_that_is_no_good_is_refused(address: str, status: int) -> None:
    refused = Program().get(address)
    assert refused.status_code == status
    _is_problem(refused)


def _is_problem(response: Any) -> None:
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.json()["detail"]


def _raw(program: Program, path: str, body: bytes, kind: str = JSON, **headers: str) -> Any:
    sent = {"Authorization": f"Bearer {program.text}", **headers}
    return program.client.post(f"{ROOT}{path}", body, content_type=kind, headers=sent)
