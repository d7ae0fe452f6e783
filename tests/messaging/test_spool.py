"""What is acknowledged while the database is away is on the disk, and handed on once."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from django.db import OperationalError

from messaging import spool


@pytest.fixture(autouse=True)
def folder(settings, tmp_path):
    settings.SPOOL_DIR = tmp_path / "spool"
    return settings.SPOOL_DIR


def away(payloads):
    raise OperationalError


def full(*_):
    raise OSError(28, "No space left on device")


def drained():
    got = []
    spool.drain({"a": got.extend})
    return got


def test_lines_are_handed_on_in_order_and_once():
    for number in range(3):
        spool.append("a", {"n": number})
    assert spool.is_waiting()
    assert drained() == [{"n": 0}, {"n": 1}, {"n": 2}]
    assert not spool.is_waiting()
    assert drained() == []


def test_a_line_is_on_the_disk_before_the_answer(folder, monkeypatch):
    synced = []
    real = os.fsync

    def sync(file):
        synced.append(str(Path(f"/proc/self/fd/{file}").readlink()))
        real(file)

    monkeypatch.setattr(os, "fsync", sync)
    spool.append("a", 1)
    (path,) = folder.iterdir()
    assert synced == [str(path), str(folder)]
    assert path.stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_full_disk_is_told_and_leaves_nothing_behind(folder, monkeypatch):
    spool.append("a", 1)
    real = os.write

    def half(file, data):
        monkeypatch.setattr(os, "write", full)
        return real(file, data[: len(data) // 2])

    def full(file, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", half)
    with pytest.raises(OSError, match="No space"):
        spool.append("a", 2)
    monkeypatch.undo()
    spool.append("a", 3)
    assert drained() == [1, 3]


def test_a_line_that_a_crash_tore_takes_no_other_with_it(folder):
    spool.append("a", 1)
    (path,) = folder.iterdir()
    with path.open("ab") as file:
        file.write(b'{"kind":"a","pay')
    spool.append("a", 2)
    assert drained() == [1, 2]


@pytest.mark.parametrize(
    "line", [b"5", b"null", b"[]", b'{"kind":"a"}', b'{"kind":["a"],"payload":1', b"\xff\x00", b""]
)
def test_a_damaged_line_stops_no_other_and_is_kept(folder, line):
    spool.append("a", 1)
    (path,) = folder.iterdir()
    with path.open("ab") as file:
        file.write(line + b"\n")
    spool.append("a", 2)
    assert drained() == [1, 2]
    assert "damaged" in (folder / "refused.lines").read_text()
    assert not spool.is_waiting()


def test_several_at_once_are_all_kept_or_none(folder, monkeypatch):
    spool.extend("a", [1, 2])
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        spool.extend("a", [3, 4])
    monkeypatch.undo()
    assert drained() == [1, 2]


def test_a_spool_that_is_full_takes_nothing_more(monkeypatch):
    spool.append("a", 1)
    monkeypatch.setattr(spool, "MOST_BYTES", 10)
    with pytest.raises(OSError, match="has reached 10 bytes"):
        spool.append("a", 2)
    assert drained() == [1]
    spool.append("a", 3)


def test_a_database_that_stays_away_does_not_make_a_file_for_each_try(folder):
    for number in range(3):
        spool.append("a", number)
        with pytest.raises(OperationalError):
            spool.drain({"a": away})
    assert len(list(folder.iterdir())) == 2  # the one that was taken, and the one written to
    assert sorted(drained()) == [0, 1, 2]


def test_a_second_reader_waits_until_the_first_is_done():
    spool.append("a", 1)
    began, go_on, got = threading.Event(), threading.Event(), []

    def slow(payloads):
        began.set()
        assert go_on.wait(30)
        got.extend(payloads)

    first = threading.Thread(target=spool.drain, args=({"a": slow},))
    first.start()
    assert began.wait(30)
    second = threading.Thread(target=lambda: (spool.drain({"a": got.extend}), got.append("after")))
    second.start()
    second.join(0.2)
    assert got == []
    go_on.set()
    first.join()
    second.join()
    assert got == [1, "after"]


def test_a_database_that_is_away_keeps_everything(folder):
    spool.append("a", 1)

    with pytest.raises(OperationalError):
        spool.drain({"a": away})
    spool.append("a", 2)
    assert drained() == [1, 2]


def test_what_nobody_can_take_holds_up_no_other(folder):
    for number in range(5):
        spool.append("a", number)
    got = []

    def take(payloads):
        if 3 in payloads:
            raise ValueError
        got.extend(payloads)

    assert spool.drain({"a": take}) == 4
    assert got == [0, 1, 2, 4]
    assert json.loads((folder / "refused.lines").read_text())["payload"] == 3
    assert not spool.is_waiting()


def test_a_kind_that_this_code_does_not_know_stays():
    spool.append("b", 1)
    assert drained() == []
    got = []
    assert spool.drain({"b": got.extend}) == 1
    assert got == [1]


def test_writers_and_readers_at_once_lose_nothing_and_double_nothing():
    got, stop = [], threading.Event()

    def read():
        while not stop.is_set():
            spool.drain({"a": got.extend})

    readers = [threading.Thread(target=read) for _ in range(2)]
    writers = [
        threading.Thread(
            target=lambda start=start: [spool.append("a", start + n) for n in range(100)]
        )
        for start in (0, 100, 200)
    ]
    for thread in readers + writers:
        thread.start()
    for thread in writers:
        thread.join()
    stop.set()
    for thread in readers:
        thread.join()
    spool.drain({"a": got.extend})
    assert sorted(got) == list(range(300))


WRITER = """
import django, sys
django.setup()
from messaging import spool
for number in range(10_000):
    spool.append("a", number)
    print(number, flush=True)
"""


def test_a_writer_that_is_killed_has_kept_all_that_it_told(folder):
    environment = {
        **os.environ,
        "SPOOL_DIR": str(folder),
        "DJANGO_SETTINGS_MODULE": "reengage.settings",
        "DATABASE_URL": "postgres://127.0.0.1:1/none",
        "REDIS_URL": "redis://127.0.0.1:1/0",
    }
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER],
            env=environment,
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[2],
            text=True,
        )
        for _ in range(2)
    ]
    for writer in writers:
        while int(writer.stdout.readline()) < 50:
            pass
    for writer in writers:
        writer.kill()
    told = [sum(1 for _ in writer.stdout) + 51 for writer in writers]
    for writer in writers:
        writer.wait()
    got = drained()
    counts = [got.count(number) for number in range(min(told))]
    assert counts == [2] * min(told)
    assert sum(told) <= len(got) <= sum(told) + 2  # one each may not have been told of
