"""Real process trees: what supervise starts goes away, however its own process ends."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from reengage.supervise import Child
from tests.processes import await_end, with_variable

CHECKOUT = Path(__file__).resolve().parents[1]
MARK = "SUPERVISE_TEST"

# Says when it is there, and when it is told to stop.
POLITE = """
import os, signal, sys
def stop(*_): os.write(1, b"bye\\n"); sys.exit(0)  # print() may be in the middle of "up"
signal.signal(signal.SIGTERM, stop)
os.write(1, b"up\\n")
while True: signal.pause()
"""
# Will not stop when asked, nor will its child.
STUBBORN = """
import os, signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
os.fork()
print("up", flush=True)
while True: signal.pause()
"""
# A worker that is in the middle of a task: SIGTERM makes it finish that first.
BUSY_WORKER = r"""
import os, time
from celery import Celery
from celery.signals import worker_ready
app = Celery("busy", broker="memory://")
@app.task
def long():
    os.write(1, b"busy\n")  # what is printed, Celery logs
    time.sleep(300)
@worker_ready.connect
def go(**_): [long.delay() for _ in range(2)]
"""
WEB = """
print("serving", flush=True)
def app(environ, start): return []
"""


class Run:
    """A process that calls `supervise.run`, and all that descends from it."""

    def __init__(self, directory: Path, setting: str = "", through: tuple[str, ...] = ()) -> None:
        self.directory = directory
        self.setting = setting
        self.through = through

    def start(self, **commands: list[str]) -> None:
        script = (
            f"import sys; sys.path.insert(0, {str(CHECKOUT)!r})\n"
            "from reengage import supervise\n"
            f"{self.setting}\n"
            f"sys.exit(supervise.run({commands!r}, lambda: print('called', flush=True) or True))\n"
        )
        self.process = subprocess.Popen(
            [*self.through, sys.executable, "-c", script],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=self.directory,
            env=os.environ | {MARK: str(self.directory), "PYTHONPATH": str(self.directory)},
            # A shell that runs the tests in the background has Ctrl-C ignored, for us too.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
        )
        self.limit = threading.Timer(30, self.process.kill)  # whoever reads from it gets an end
        self.limit.start()

    def read_until(self, line: str, times: int = 1) -> list[str]:
        """The lines up to the last of `times` lines that equal `line`."""
        assert self.process.stdout
        lines: list[str] = []
        for got in self.process.stdout:
            lines.append(got.rstrip("\n"))
            if lines.count(line) == times:
                return lines
        pytest.fail(f"It ended before it said {line!r} {times} times: {lines[-15:]}")

    def rest(self) -> list[str]:
        """The lines until it ends."""
        return self.process.communicate(timeout=20)[0].splitlines()

    def everybody(self) -> set[int]:
        return with_variable(MARK, str(self.directory))


@pytest.fixture
def run(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Run]:
    started = Run(tmp_path, **getattr(request, "param", {}))
    yield started
    started.limit.cancel()
    for pid in started.everybody():
        os.kill(pid, signal.SIGKILL)
    started.process.communicate()


def python(program: str) -> list[str]:
    return [sys.executable, "-I", "-S", "-c", program]


def script(name: str) -> str:
    """A program that is installed beside the interpreter."""
    return str(Path(sys.executable).parent / name)


def test_sigterm_stops_the_children_in_order(run: Run) -> None:
    run.start(one=python(POLITE), two=python(POLITE))
    run.read_until("up", times=2)
    run.process.terminate()
    lines = run.rest()
    assert lines.count("bye") == 2
    assert run.process.returncode == 0
    assert run.everybody() == set()


def test_ready_is_called_until_it_says_true(run: Run) -> None:
    run.start(one=python(POLITE))
    run.read_until("called")
    run.process.terminate()
    assert "called" not in run.rest()


def test_second_ctrl_c_does_not_wait_for_a_stubborn_child(run: Run) -> None:
    run.start(one=python(STUBBORN))
    run.read_until("up", times=2)
    run.process.send_signal(signal.SIGINT)
    run.read_until("Stopping. A second Ctrl-C stops at once.")
    time.sleep(1.1)  # a double one within a second counts once
    run.process.send_signal(signal.SIGINT)
    started = time.monotonic()
    run.rest()
    assert time.monotonic() - started < 6  # and not the ten seconds of grace
    assert run.everybody() == set()


def test_kill_leaves_no_stubborn_child_behind(run: Run) -> None:
    run.start(one=python(STUBBORN), two=python(POLITE))
    run.read_until("up", times=3)
    everybody = run.everybody()
    assert len(everybody) == 5  # itself, the undertaker, one and its child, two
    run.process.kill()
    assert await_end(everybody, 6) == set()
    assert "bye" in run.rest()  # who stops when asked was asked first


# The project's settings are not for these two.
PLAIN = {"setting": "import os; os.environ.pop('DJANGO_SETTINGS_MODULE')"}


@pytest.mark.parametrize("run", [PLAIN], indirect=True)
def test_kill_leaves_no_web_server_and_no_busy_worker_behind(run: Run) -> None:
    (run.directory / "busy.py").write_text(BUSY_WORKER)
    (run.directory / "web.py").write_text(WEB)
    run.start(
        web=[script("gunicorn"), "-w", "2", "-b", "127.0.0.1:0", "--no-control-socket", "web:app"],
        worker=[script("celery"), "-A", "busy", "worker", "-c", "2", "--without-mingle"],
        beat=[script("celery"), "-A", "busy", "beat", "-s", str(run.directory / "beat")],
    )
    lines = run.read_until("busy", times=2)
    while lines.count("serving") < 2:
        lines += run.read_until("serving")
    everybody = run.everybody()
    assert len(everybody) >= 2 + 3 + 3 + 1  # ourselves and the undertaker, web, worker, beat
    run.process.kill()
    assert await_end(everybody, 6) == set()
    assert run.everybody() == set()


@pytest.mark.skipif(not shutil.which("uv"), reason="uv is not on the path")
@pytest.mark.parametrize("run", [{"through": ("uv", "run", "--no-project")}], indirect=True)
def test_kill_of_uv_stops_everything(run: Run) -> None:
    run.start(one=python(POLITE))
    run.read_until("up")
    everybody = run.everybody()
    run.process.kill()  # this one is uv
    assert run.process.wait() == -signal.SIGKILL
    assert await_end(everybody, 6) == set()
    assert "bye" in run.rest()


def test_child_that_ends_is_started_again(run: Run) -> None:
    once = "import os\nif os.path.exists('seen'): print('again', flush=True); import time; "
    once += "time.sleep(60)\nopen('seen', 'w'); os._exit(3)"
    run.start(one=python(once))
    lines = run.read_until("again")
    assert [line for line in lines if "one" in line] == [
        "one stopped by itself (exit code 3); starting it again in 1 s."
    ]


@pytest.mark.parametrize("run", [{"setting": "supervise.LONGEST_BACK_OFF = 0.0"}], indirect=True)
def test_child_that_dies_five_times_in_a_minute_stops_everything(run: Run) -> None:
    run.start(
        one=python(POLITE),
        two=python("import os; print('start', flush=True); os.kill(os.getpid(), 9)"),
    )
    lines = run.rest()
    assert run.process.returncode == 1
    assert lines.count("start") == 5
    told = [line for line in lines if line.startswith("two")]
    assert told[:4] == ["two was ended by SIGKILL; starting it again in 0 s."] * 4
    assert told[4].startswith("two was ended by SIGKILL, for the 5th time within a minute.")
    assert run.everybody() == set()


def test_back_off_doubles() -> None:
    child = Child("one", [])
    assert [child.record_death(float(second)) for second in range(4)] == [1, 2, 4, 8]
    assert not child.is_hopeless(3.0)
    assert child.record_death(70.0) == 1  # the four are forgotten
    assert not child.is_hopeless(70.0)


def test_command_that_does_not_exist_is_named(run: Run) -> None:
    run.start(one=["/nowhere/at-all"])
    assert [line for line in run.rest() if "cannot" in line] == [
        "one cannot be started: [Errno 2] No such file or directory: '/nowhere/at-all'"
    ]
    assert run.process.returncode == 1
