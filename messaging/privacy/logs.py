"""Log lines without anything personal, whoever wrote them: ours, Django's, Celery's, gunicorn's.

Loaded with the settings, so it imports no models. What a line says is masked: addresses, numbers,
tokens and queries. Of an exception stands what it is and where it was raised; its text quotes
values too often (PostgreSQL's "Key (email)=(...) already exists", a KeyError of a name).
"""

from __future__ import annotations

import logging
import re
import traceback
from collections.abc import Iterator, Mapping
from types import TracebackType

from messaging.links.masked import Tokens

_EMAIL = re.compile(r"[\w.+%'-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+")
# Ten digits or more with at most two signs between them, as numbers are written; not dates, nor
# the digits of ids, which have letters or dashes beside them.
_NUMBER = re.compile(
    r"(?<![\w.:/#-])(?!\d{4}-\d\d-\d\d)(?:\+|00)?\(?\d(?:[ ()-]{0,2}\d){9,14}(?!\w|-\w)"
)
_QUERY = re.compile(r"(/[^\s?\"'<>]*\?)[^\s\"'<>]+")
# Exceptions whose text speaks of code and machines only, so that it helps and harms nobody.
_HARMLESS = frozenset(
    {
        "AttributeError",
        "CommandError",
        "ConnectionRefusedError",
        "ImportError",
        "ImproperlyConfigured",
        "ModuleNotFoundError",
        "NameError",
        "SoftTimeLimitExceeded",
        "TemplateDoesNotExist",
        "TimeoutError",
        "WorkerLostError",
    }
)
# What Celery says of a task's end quotes the exception, and its result.
_QUOTED = ("exc", "traceback", "return_value", "args", "kwargs")
_tokens = Tokens()

ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]


def masked(text: str) -> str:
    """The text without addresses, numbers and queries."""
    text = _QUERY.sub(r"\1…", text)
    text = _EMAIL.sub("…@…", text)
    return _NUMBER.sub("…", text)


def told(error: BaseException) -> str:
    """An exception in a line: what it is, and of a constraint its name."""
    name = type(error).__name__
    if name in _HARMLESS:
        return f"{name}: {masked(str(error))}"
    constraint = getattr(getattr(error, "diag", None), "constraint_name", None)
    state = getattr(error, "sqlstate", None)
    marks = ", ".join(filter(None, (state, constraint)))
    return f"{name} ({marks})" if marks else name


class Discreet(logging.Formatter):
    """Formats any record so that no doctor can be recognised in it."""

    def format(self, record: logging.LogRecord) -> str:
        """The whole of it, exception included."""
        kept = record.msg, record.args, record.exc_text
        try:
            record.exc_text = None  # another handler may have put the exception's text there
            if isinstance(record.args, Mapping):
                record.args = _without_quotes(record)
            elif isinstance(record.args, tuple):
                record.args = tuple(map(_told, record.args))
            record.msg = _told(record.msg)
            _tokens.filter(record)
            return masked(super().format(record))
        finally:
            record.msg, record.args, record.exc_text = kept

    def formatException(self, ei: ExcInfo) -> str:  # type: ignore[override]  # noqa: N802
        """Every exception of the chain: what it is, and where it was raised."""
        return "\n".join(_chain(ei[1]))


def _told(value: object) -> object:
    return told(value) if isinstance(value, BaseException) else value


def _without_quotes(record: logging.LogRecord) -> Mapping[str, object]:
    args = record.args if isinstance(record.args, Mapping) else {}
    error = record.exc_info[1] if record.exc_info else None
    quoted = told(error) if error else "…"
    is_celerys = record.name.startswith("celery")
    changed = {
        name: quoted if is_celerys and name in _QUOTED and value else _told(value)
        for name, value in args.items()
    }
    # gunicorn's own kind of mapping has a default for what it lacks.
    return args if changed == dict(args) else changed


def _chain(error: BaseException | None) -> Iterator[str]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield "Traceback (most recent call last):"
        # Line by line, so that no source line of generated code with values in it is quoted.
        for frame in traceback.extract_tb(error.__traceback__):
            yield f'  File "{frame.filename}", line {frame.lineno}, in {frame.name}'
        yield told(error)
        cause = error.__cause__
        error = cause if cause or error.__suppress_context__ else error.__context__
        if error is not None:
            yield "after"
