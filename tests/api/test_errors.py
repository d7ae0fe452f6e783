"""Refusals are problem details that give nothing away, and so is the log."""

import logging
from typing import Any

import pytest
from django.db import IntegrityError

from tests.api.world import ROOT, Program, boss

pytestmark = pytest.mark.django_db


def test_refusals_have_their_form() -> None:
    program = Program()
    deep = '{"a":' * 25 + "1" + "}" * 25
    sent = {
        401: program.client.get(f"{ROOT}/campaigns"),
        404: program.get("/nothing/here"),
        405: program.call("PUT", "/campaigns", {}),
        413: _raw(program, "x" * 1_000_001),
        415: _raw(program, "a=1", "application/x-www-form-urlencoded"),
        422: program.post("/campaigns", {}),
        400: _raw(program, deep),
    }
    for status, response in sent.items():
        assert response.status_code == status
        assert response.headers["Content-Type"] == "application/problem+json"
        body = response.json()
        assert body["status"] == status
        assert body["type"].startswith("urn:clirnet:problem:")
        assert body["title"]
        assert body["detail"]
        assert response.headers["Cache-Control"] == "no-store"
    assert set(sent[405].headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS", "POST"}
    assert sent[400].json()["detail"] == "Nest at most 20 deep."


@pytest.mark.parametrize("body", ["{", "[NaN]", '"\\ud800', "null", "[]", "1" * 5000])
def test_body_that_is_no_object_is_refused(body: str) -> None:
    assert _raw(Program(), body).status_code in {400, 422}


def _raw(program: Program, body: str, kind: str = "application/json") -> Any:
    headers = {"Authorization": f"Bearer {program.text}"}
    return program.client.post(f"{ROOT}/campaigns", body, content_type=kind, headers=headers)


def test_what_breaks_within_is_told_to_nobody(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    told = "Key (phone)=(+919812345678) of Asha Sen already exists."

    def broken(*_args: Any, **_kwargs: Any) -> None:
        raise IntegrityError(told)

    monkeypatch.setattr("campaigns.api.activity.import_rows", broken)
    answer = Program().report("doctors", {"doctor_id": "p1"})
    assert (answer.status_code, answer.data["type"]) == (500, "urn:clirnet:problem:internal")
    for text in (answer.content.decode(), caplog.text):
        assert "98123" not in text
        assert "Asha" not in text
    assert "Traceback" not in answer.content.decode()
    assert "IntegrityError" in caplog.text  # and where, for us


def test_log_holds_no_names_numbers_or_keys(caplog: pytest.LogCaptureFixture) -> None:
    program = Program()
    with caplog.at_level(logging.DEBUG):
        caplog.handler.setLevel(logging.DEBUG)
        logging.getLogger("django.db.backends").setLevel(logging.INFO)  # of statements, in debug
        program.report(
            "doctors",
            {"doctor_id": "p1", "name": "Asha Sen", "phone": "9812345678"},
            {"doctor_id": "p2", "name": "Ravi Iyer", "phone": "12"},
        )
        program.get("/suppressions/opt-outs?doctor_id=p1")
        program.post("/suppressions/opt-outs", {"doctor_id": "p1", "reason": "Asha said so"})
        program.post("/templates/preview", {"channel": "sms", "segment_type": "no_show",
                                            "text": "Dr. Iyer"})  # fmt: skip
        program.get("/nothing")
    for secret in ("Asha", "Iyer", "98123", program.text.split("_")[2]):
        assert secret not in caplog.text


def test_description_is_for_staff_and_keys() -> None:
    program = Program()
    assert program.client.get(f"{ROOT}/openapi.json").status_code == 401
    assert program.get("/openapi.json").data["info"]["title"] == "CLIRNET re-engagement"
    to_login = program.client.get(f"{ROOT}/docs")
    assert to_login.headers["Location"].startswith("/admin/login/")
    program.client.force_login(boss())
    assert program.client.get(f"{ROOT}/openapi.json").status_code == 200
    page = program.client.get(f"{ROOT}/docs")
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert b"http://" not in page.content.replace(b"http://testserver", b"")
    assert b"https://" not in page.content
    for name in ("swagger-ui-bundle.js", "swagger-ui-init.js", "swagger-ui.css"):
        assert program.client.get(f"{ROOT}/docs/{name}").status_code == 200
    assert program.client.get(f"{ROOT}/docs/redoc.standalone.js").status_code == 404
