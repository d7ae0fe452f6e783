"""What refuses to start where the settings are wrong, and says why."""

import os
import subprocess
import sys
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from reengage.start import refuse_what_is_wrong


def test_settings_of_the_tests_are_fine() -> None:
    refuse_what_is_wrong()


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("CAP_PER_DAY", -1, "CAP_PER_DAY is too small: -1. At least 1."),
        ("CAP_CHANNEL_INTERVAL", timedelta(hours=-3), "CAP_CHANNEL_INTERVAL_HOURS is too small"),
        ("LANES_PER_CHANNEL", 0, "LANES_PER_CHANNEL is too small"),
        ("SEND_WINDOW_SIZE", 0, "SEND_WINDOW_SIZE is too small"),
        ("HEARTBEAT_EVERY", timedelta(0), "HEARTBEAT_SECONDS is too small"),
        ("CONSENT_REQUIRED", frozenset({"whatsap"}), "names 'whatsap', which is no channel"),
        ("PUBLIC_BASE_URL", "example", "PUBLIC_BASE_URL is no web address: 'example'"),
        ("MESSAGE_PROVIDERS", {"whatsapp": "x", "sms": "sandbox", "email": "sandbox"}, "'x'"),
    ],
)
def test_wrong_setting_is_told_by_its_name(
    settings: Any, name: str, value: Any, words: str
) -> None:
    setattr(settings, name, value)
    with pytest.raises(ImproperlyConfigured, match=words.replace(".", r"\.")):
        refuse_what_is_wrong()


@pytest.mark.parametrize(
    "command",
    [
        ["celery", "-A", "reengage", "worker", "-Q", "email", "-c", "1"],
        ["celery", "-A", "reengage", "beat"],
        ["gunicorn", "reengage.wsgi", "--bind", "127.0.0.1:0"],
    ],
    ids=lambda command: command[-1] if "beat" in command else command[0],
)
def test_process_with_a_wrong_provider_ends_at_once(command: list[str]) -> None:
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "reengage.settings",
        "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
        "REDIS_URL": "redis://127.0.0.1:1/0",
        "EMAIL_PROVIDER": "nosuch",
    }
    done = subprocess.run(
        [sys.executable, "-m", *command],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode != 0
    assert "MESSAGE_PROVIDERS names 'nosuch' for email" in done.stdout
