"""The floor of the e-mail benchmark: django-post_office, tuned, into the same sink.

A script, run by tests/bench/smtp.py in an environment of its own that has django-post_office:
`python post_office.py DATABASE_URL HOST PORT MESSAGES`. Prints one line of JSON.
"""

import json
import os
import sys
import time
from urllib.parse import unquote, urlsplit

import django
from django.conf import settings

PROCESSES = 2
TEXT = sys.stdin.read()
DATABASE, HOST, PORT, MESSAGES = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])


def database(url: str) -> dict[str, object]:
    """A URL of reengage/embedded as Django's settings: postgres://user@:port//directory/name."""
    parts = urlsplit(url)
    directory, _, name = unquote(parts.path.removeprefix("/")).rpartition("/")
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": name,
        "USER": parts.username,
        "HOST": directory,
        "PORT": parts.port,
    }


settings.configure(
    DATABASES={"default": database(DATABASE)},
    INSTALLED_APPS=["django.contrib.contenttypes", "post_office"],
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates"}],
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    EMAIL_HOST=HOST,
    EMAIL_PORT=PORT,
    USE_TZ=True,
    LOGGING_CONFIG=None,
    POST_OFFICE={
        "BATCH_SIZE": 2000,
        "THREADS_PER_PROCESS": int(os.environ.get("THREADS", "1")),  # several are slower here
        "LOG_LEVEL": 0,
        "BACKENDS": {"default": "django.core.mail.backends.smtp.EmailBackend"},
    },
)
django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402
from post_office import mail  # noqa: E402
from post_office.models import STATUS, Email, EmailTemplate  # noqa: E402


def main() -> None:
    """Queue the messages, send them, and say how long the sending took."""
    call_command("migrate", verbosity=0)
    Email.objects.all().delete()
    EmailTemplate.objects.all().delete()
    template = EmailTemplate.objects.create(name="bench", subject="Certificate", content=TEXT)
    names = sorted({part.split("}}")[0].strip() for part in TEXT.split("{{")[1:]})
    Email.objects.bulk_create(
        (
            Email(
                from_email="news@clirnet.example",
                to=[f"d{n}@example.com"],
                template=template,
                context={name: f"{name} {n}" for name in names},
                headers={"X-Reengage-Delivery": str(n)},
                status=STATUS.queued,
            )
            for n in range(MESSAGES)
        ),
        batch_size=2000,
    )
    before, began = os.times(), time.perf_counter()
    sent = 0
    while done := mail.send_queued(PROCESSES)[0]:
        sent += done
        connection.close()  # its processes, forked, have ended the server's side
    seconds, after = time.perf_counter() - began, os.times()
    cpu = sum(after[:4]) - sum(before[:4])
    print(json.dumps({"sent": sent, "seconds": seconds, "cpu": cpu}))


main()
