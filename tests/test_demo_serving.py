"""`demo` serves: it says where, answers, and leaves nothing behind."""

import http.cookiejar
import os
import re
import subprocess
import sys
import threading
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from django.conf import settings

from tests.processes import await_end, family, with_variable

CHECKOUT = Path(__file__).resolve().parents[1]
MARK = "DEMO_TEST"


class TestServing:
    """The whole command, as a person runs it."""

    @pytest.fixture
    def database(self) -> Iterator[str]:
        """An empty database on the tests' server; its address."""
        server = os.environ["DATABASE_URL"]
        name = f"demo_{os.getpid()}"
        own = settings.DATABASES["default"]
        place = {"host": own["HOST"], "port": own["PORT"], "user": own["USER"]}
        with psycopg.connect(**place, dbname="postgres", autocommit=True) as admin:
            admin.execute(f"CREATE DATABASE {name}")
            yield f"{server.rpartition('/')[0]}/{name}"
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")

    @pytest.fixture
    def process(self, database: str, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
        command = [sys.executable, "manage.py", "demo", "--doctors=5", f"--files={tmp_path}"]
        process = subprocess.Popen(
            command,
            cwd=CHECKOUT,
            env={
                **os.environ,
                "DATABASE_URL": database,
                "DJANGO_SETTINGS_MODULE": "reengage.settings",
                MARK: str(os.getpid()),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        limit = threading.Timer(120, process.kill)
        limit.start()
        yield process
        limit.cancel()
        process.kill()
        process.communicate()

    def test_password_opens_the_admin_and_kill_leaves_nobody(
        self, process: subprocess.Popen[str]
    ) -> None:
        told = ""
        assert process.stdout
        for line in process.stdout:
            told += line
            if "goes on from here" in line:
                break
        address, user, password = re.findall(r"  (?:Address|User|Password) +(\S+)\n", told)
        assert self._log_in(address, user, password) == f"{address}admin/"
        everybody = family({process.pid})
        assert len(everybody) >= 5  # ourselves, the undertaker, web, worker, clock
        process.kill()
        assert await_end(everybody, 8) == set()
        assert with_variable(MARK, str(os.getpid())) == set()

    def _log_in(self, address: str, user: str, password: str) -> str:
        """Fills in the form; returns the address to which that leads."""
        jar = http.cookiejar.CookieJar()
        browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
        page = browser.open(address)
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.read().decode())
        assert token
        form = {"csrfmiddlewaretoken": token[1], "username": user, "password": password}
        answer = browser.open(page.url, urllib.parse.urlencode(form).encode())
        return str(answer.url)
