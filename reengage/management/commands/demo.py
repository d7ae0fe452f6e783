"""`manage.py demo`: from nothing to a running back office with a month of sample data."""

from __future__ import annotations

import argparse
import secrets
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import BaseCommand, CommandError, CommandParser, call_command
from django.utils import timezone

from campaigns.launch import NotReady
from reengage import initial
from reengage.demo import guard, load, replay, serve, summary
from reengage.demo.generate import Sample
from reengage.demo.people import MOST_DOCTORS

USER = "admin"
DEFAULT_DOCTORS = 2000
DEFAULT_SEED = 1
EXPECTED = (
    guard.RefusedError,
    load.ImportFailedError,
    NotReady,
    replay.Abandoned,
    serve.PortError,
)


def _whole(low: int, high: int) -> Callable[[str], int]:
    """An argument's type: a whole number from `low` to `high`."""

    def parse(text: str) -> int:
        if text.isascii() and text.isdigit() and low <= int(text) <= high:
            return int(text)
        raise argparse.ArgumentTypeError(
            f"“{text}” will not do: give a whole number from {low} to {high}"
        )

    return parse


@contextmanager
def _told_to_stop() -> Iterator[None]:
    """Take SIGTERM and SIGHUP like Ctrl-C, so that the embedded servers are stopped in order."""
    numbers = [n for n in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(n) != signal.SIG_IGN]
    before = {number: signal.signal(number, signal.default_int_handler) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _stop_in_peace() -> None:
    """One Ctrl-C comes twice, from the terminal and by uv; the servers' stop has to be finished."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


class Command(BaseCommand):
    """Sets up, imports the sample, replays the last 30 days, tells what happened, and serves."""

    help = "Try the back office: sample doctors, the last 30 days replayed, then the admin."
    requires_system_checks = []  # they take a second

    def add_arguments(self, parser: CommandParser) -> None:
        """Say what can be chosen."""
        parser.add_argument(
            "--doctors",
            type=_whole(1, MOST_DOCTORS),
            help="How many sample doctors (default: 2000).",
        )
        parser.add_argument(
            "--seed",
            type=_whole(0, 2**31 - 1),
            help="Other numbers give other doctors (default: 1).",
        )
        parser.add_argument(
            "--no-serve", action="store_true", help="End after the summary of what happened."
        )
        parser.add_argument("--host", default="127.0.0.1", help="Address to serve on.")
        parser.add_argument(
            "--port", type=_whole(1, 65535), default=8000, help="Port; if taken, the next free one."
        )
        parser.add_argument(
            "--files",
            type=Path,
            default=settings.BASE_DIR / ".data" / "sample",
            help="Where the sample's CSV files are written.",
        )

    def handle(self, **options: Any) -> None:
        """Go through the steps; Ctrl-C at any of them leaves something that can be continued."""
        try:
            with _told_to_stop():
                self._run(options)
        except KeyboardInterrupt:
            _stop_in_peace()
            self.stderr.write("\nStopped. Run the same command again to go on.")
            sys.exit(130)
        except EXPECTED as error:
            raise CommandError(str(error)) from None

    def _run(self, options: dict[str, Any]) -> None:
        guard.check()
        with guard.alone():
            host, port, keeper = options["host"], options["port"], None
            if not options["no_serve"]:
                port, keeper = serve.reserve(host, port)
                if port != options["port"]:
                    self.stdout.write(f"Port {options['port']} is taken; using {port}.")
                serve.prepare(host, serve.base_url(host, port))
            self._set_up()
            self._live_through(options)
            if keeper is not None:
                keeper.close()
                self._serve(host, port)

    def _set_up(self) -> None:
        with self._step("Setting up the database"):
            call_command("migrate", verbosity=0, interactive=False)
            initial.create_missing()

    def _live_through(self, options: dict[str, Any]) -> None:
        """Bring the sample in, replay up to now, and tell what happened."""
        now = timezone.now()
        sample = self._sample(options)
        with self._step(f"Importing the sample, {sample.doctors:,} doctors"):
            load.load(sample, options["files"], self.stdout.write)
        replay.begin(sample.start)
        start = replay.position(sample.start, now)
        with self._step(f"Replaying from {timezone.localtime(start):%d %B %Y, %H:%M} until now"):
            replay.Replay(start, now, sample.seed, self.stdout.write).run()
        self.stdout.write(f"\n{summary.table(summary.figures(now))}\n")

    def _sample(self, options: dict[str, Any]) -> Sample:
        """The sample that the database has, or else the one that is asked for."""
        found = load.loaded_sample()
        doctors, seed = options["doctors"], options["seed"]
        if found is None:
            return Sample.until(
                timezone.now(),
                DEFAULT_DOCTORS if doctors is None else doctors,
                DEFAULT_SEED if seed is None else seed,
            )
        if doctors not in (None, found.doctors) or seed not in (None, found.seed):
            self.stdout.write(
                f"The database has a sample already ({found.doctors:,} doctors, seed "
                f"{found.seed}); going on with that. To start afresh, remove the directory .data, "
                "or name an empty database."
            )
        return found

    def _serve(self, host: str, port: int) -> None:
        password = self._new_password()
        url = serve.base_url(host, port)

        def ready() -> None:
            self.stdout.write(
                "\nThe back office is running.\n\n"
                f"  Address    {url}/\n  User       {USER}\n  Password   {password}\n\n"
                "Log in and look at Campaigns, Deliveries and the dashboard. The sandbox keeps "
                "every\nmessage in the admin; nothing leaves this machine. Ctrl-C stops "
                "everything, and the\nsame command goes on from here."
            )
            self.stdout.flush()

        def slow() -> None:
            self.stderr.write(f"The web server does not answer at {url}/ yet; still waiting.")

        self.stdout.write("\nStarting web server, worker and clock ...")
        self.stdout.flush()
        code = serve.serve(host, port, ready, slow)
        _stop_in_peace()
        if code:
            raise CommandError("The back office could not be kept running; see the lines above.")

    def _new_password(self) -> str:
        """A new password for the sample's superuser, who is made if absent."""
        password = secrets.token_urlsafe(9)
        user, _ = get_user_model().objects.get_or_create(username=USER)
        user.is_active = user.is_staff = user.is_superuser = True
        user.set_password(password)
        user.save(update_fields=["is_active", "is_staff", "is_superuser", "password"])
        return password

    @contextmanager
    def _step(self, what: str) -> Iterator[None]:
        """Say what begins, and how long it took."""
        self.stdout.write(f"{what} ...")
        self.stdout.flush()
        began = time.monotonic()
        yield
        self.stdout.write(f"  done in {time.monotonic() - began:.1f} s")
        self.stdout.flush()
