"""A doctor with a message, whoever opens its links, and nobody turned away from an earlier test."""

import pytest
from django.core.cache import cache
from django.test import Client

from messaging.models import MessageDelivery
from tests.engine import NOW, enrolled, send_all
from tests.messaging.conftest import patient_database as patient_database

PHONE = {"User-Agent": "Mozilla/5.0 (Linux; Android 14) Chrome/130"}


@pytest.fixture
def nobody_is_turned_away():
    cache.clear()


@pytest.fixture
def delivery():
    enrolled(days=(0,), channels=("sms",))
    send_all(NOW)
    return MessageDelivery.objects.get()


@pytest.fixture
def browser():
    return Client(headers=PHONE, enforce_csrf_checks=True, raise_request_exception=False)
