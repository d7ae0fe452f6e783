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


@pytest.mark.parametrize(
    ("fields", "pointer", "detail"),
    [
        ({"name": None}, "#/name", "Send a text."),
        ({"name": " "}, "#/name", "Write a name: blanks only are none."),
        ({"nmae": 1}, "#/nmae",
         "There is no such field here: leave it out, or correct its name."),
        ({"priority": "ten"}, "#/priority", "Send a whole number."),
        ({"priority": -1}, "#/priority", "Has to be 0 at least."),
        ({"priority": 40_000}, "#/priority", "Has to be 32767 at most."),
        ({"rollout_percent": 20}, "#/rollout_percent", "Has to be 10, 25, 50 or 100."),
        (
            {"segment_type": "x"},
            "#/segment_type",
            "Has to be 'aida_users', 'incomplete_courses', 'no_show' or 'unclaimed_certificates'.",
        ),
        ({"max_failure_rate": "1.234"}, "#/max_failure_rate",
         "Has to have at most 2 digits after the point."),
        ({"send_from": "25:00"}, "#/send_from", "Write an hour of the day such as 10:00."),
        ({"start_date": "2026-04-01T10:00:00"}, "#/start_date",
         "Write a moment with its zone, such as 2026-03-04T12:00:00+05:30."),
        ({"start_date": "9999-01-01T10:00:00Z"}, "#/start_date",
         "Has to lie before 2200-01-01T00:00:00Z."),
        ({"steps": 3}, "#/steps", "Send a list."),
        ({"steps": [3]}, "#/steps/0", "Send an object of fields and values."),
        ({"steps": [{"template": "x"}]}, "#/steps/0/day", "Is missing: it is needed."),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_said_in_words(
    fields: dict[str, Any], pointer: str, detail: str
) -> None:
    refused = Program().post("/campaigns", {"name": "x", "segment_type": "no_show", **fields})
    assert (refused.status_code, refused.data["errors"]) == (
        422,
        [{"detail": detail, "pointer": pointer}],
    )


@pytest.mark.parametrize(
    ("address", "detail"),
    [
        ("/campaigns?limit=0", "Has to be 1 at least."),
        ("/campaigns?limit=x", "Send a whole number."),
        ("/suppressions/channels?holds=perhaps", "Send true or false."),
        ("/analytics/kpis?campaign=7", "Is no id: send one as an answer has given it."),
        ("/analytics/daily?from=yesterday", "Write a day such as 2026-03-04."),
        ("/analytics/daily?channel=fax", "Has to be 'whatsapp', 'sms' or 'email'."),
    ],
)
def test_parameter_that_does_not_fit_is_said_in_words(address: str, detail: str) -> None:
    refused = Program().get(address)
    assert [fault["detail"] for fault in refused.data["errors"]] == [detail]


def test_name_of_a_request_with_blanks_is_said_in_words() -> None:
    (told,) = Program().report("doctors", {"doctor_id": "p1"}, once="a b").data["errors"]
    said = "Write it in plain letters, digits and signs, without blanks."
    assert told == {"detail": said, "parameter": "Idempotency-Key"}


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
