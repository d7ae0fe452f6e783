"""Log lines name nobody, whoever wrote them."""

import io
import logging

import pytest
from django.db import DataError, IntegrityError, transaction
from django.test import Client

from messaging.privacy.logs import Discreet, masked
from segments.models import Doctor
from tests import engine
from tests.messaging.privacy import canary


@pytest.fixture
def lines():
    """A logger of its own, as the console is set up."""
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(Discreet("{levelname} {name}: {message}", style="{"))
    logger = logging.getLogger("celery.app.trace")
    logger.addHandler(handler)
    yield logger, out
    logger.removeHandler(handler)


@pytest.mark.parametrize(
    "number",
    [
        "+919876501234",
        "9876501234",
        "098765 01234",
        "+91 98765-01234",
        "(98765) 01234",
        "+1 (212) 555-0100",
    ],
)
def test_numbers_are_masked_however_they_are_written(number) -> None:
    assert masked(f"to {number}: no") == "to …: no"


@pytest.mark.parametrize(
    "harmless",
    [
        "2026-03-04 12:00:05,123 INFO",
        "delivery 0199c0de-7000-7000-8000-123456789012 broke off",
        "17 of 100000 doctors in 12.345678 s",
        "task messaging.tasks.send_lane[3d1c1b4e-1f6c-4b53-9a1c-000000000000] succeeded",
        "claim 12345678901234567890123456789012",
    ],
)
def test_ids_times_and_counts_stay(harmless) -> None:
    assert masked(harmless) == harmless


def test_addresses_and_queries_are_masked() -> None:
    said = f"Not Found: /admin/x/?q=Qvabhatt&e=1 for {canary.PERSON['email']} (550)"
    assert masked(said) == "Not Found: /admin/x/?… for …@… (550)"


@pytest.mark.django_db
def test_databases_own_words_are_not_repeated(lines) -> None:
    logger, out = lines
    doctor = engine.doctor(**canary.PERSON)
    try:
        with transaction.atomic():
            Doctor.objects.create(**{**canary.PERSON, "external_id": "other"})
    except IntegrityError as error:
        quoted = str(error)
        logger.exception("import broke off")
        logger.warning("and as a value: %s", error)
    assert canary.found(quoted)  # the canary would be there
    try:
        with transaction.atomic():
            Doctor.objects.extra(where=[f"'{canary.PERSON['email']}'::int > 1"]).count()
    except DataError as error:
        quoted = str(error)
        logger.exception("reading broke off")
    assert canary.found(quoted)
    said = out.getvalue()
    assert canary.found(said) == set()
    assert "UniqueViolation (23505, doctors_" in said
    assert "InvalidTextRepresentation (22P02)" in said
    assert "test_logs.py" in said
    assert doctor.pk


def test_exceptions_are_told_by_their_kind(lines) -> None:
    logger, out = lines
    try:
        try:
            {}[canary.PERSON["last_name"]]
        except KeyError as error:
            raise ValueError(f"no {canary.PERSON['first_name']}") from error
    except ValueError as error:
        context = {
            "name": "tasks.x",
            "id": "1",
            "description": "raised",
            "exc": repr(error),
            "traceback": str(error),
            "args": canary.PERSON["email"],
            "kwargs": "{}",
            "return_value": "None",
            "runtime": 1.0,
        }
        logger.exception("Task %(name)s[%(id)s] %(description)s: %(exc)s", context)
    said = out.getvalue()
    assert canary.found(said) == set()
    assert "Task tasks.x[1] raised: ValueError" in said
    assert said.count("Traceback") == 2


@pytest.mark.django_db
def test_django_and_its_server_write_through_the_same_formatter(settings) -> None:
    names = ("", "django", "django.server", "django.request", "gunicorn.error", "gunicorn.access")
    for name in names:
        logger = logging.getLogger(name)
        handlers = [h for h in logger.handlers if type(h).__module__ == "logging"]
        assert all(isinstance(h.formatter, Discreet) for h in handlers), name
        assert logger.propagate
    assert any(isinstance(h.formatter, Discreet) for h in logging.getLogger().handlers)


@pytest.mark.django_db
def test_unhandled_exception_in_a_view_names_nobody(monkeypatch, lines) -> None:
    _, out = lines
    logging.getLogger("django.request").addHandler(handler := logging.StreamHandler(out))
    handler.setFormatter(Discreet("{message}", style="{"))

    def broken(*_args, **_kwargs):
        raise RuntimeError(canary.PERSON["last_name"])

    monkeypatch.setattr("messaging.links.hits.hit_of", broken)
    client = Client(raise_request_exception=False)
    assert client.get(f"/r/AAAAAAAAAAAAAAAAAAAAAA?to={canary.PERSON['email']}").status_code == 500
    logging.getLogger("django.request").removeHandler(handler)
    said = out.getvalue()
    assert "Internal Server Error: /r/…" in said
    assert "RuntimeError" in said
    assert canary.found(said) == set()
    assert "AAAAAAAAAA" not in said
