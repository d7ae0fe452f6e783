"""What a refusal says: problem details (RFC 9457), in words for people and in a type for programs.

Nothing of what was sent is repeated, and nothing of what went wrong within: both may hold a
doctor's name or number.
"""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from django.core.exceptions import ValidationError as ModelError
from django.db import OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.errors import HttpError
from ninja.errors import ValidationError as RequestError
from pydantic import BaseModel, Field

from campaigns.api.words import in_words
from campaigns.transition import NotReady
from messaging.webhooks.body import Refused

logger = logging.getLogger(__name__)

CONTENT_TYPE = "application/problem+json"
KIND = "urn:clirnet:problem:"

# Status: the type's last word, the title, and what to say where there is nothing better.
PROBLEMS: dict[int, tuple[str, str, str]] = {
    400: ("bad-request", "Bad request", "The request could not be read."),
    401: (
        "unauthorized",
        "Not authenticated",
        "Send a valid key: Authorization: Bearer clr_… Keys are made in the admin, under API keys.",
    ),
    403: ("forbidden", "Not allowed", "The key may not do this."),
    404: ("not-found", "Not found", "There is nothing at this address."),
    405: ("method-not-allowed", "Method not allowed", "This address does not take this method."),
    409: ("conflict", "Not possible now", "This cannot be done as things stand."),
    411: (
        "length-required",
        "Length required",
        "Say with Content-Length how long the body is: it is not taken in chunks.",
    ),
    412: (
        "precondition-failed",
        "Changed meanwhile",
        "It was changed since you read it: read it again, and send its new ETag.",
    ),
    413: ("too-large", "Too large", "Send less at once."),
    415: ("unsupported-media-type", "Unsupported media type", "Send application/json."),
    422: ("invalid", "Invalid", "Some of what was sent is not right; errors says what."),
    429: ("too-many-requests", "Too many requests", "Wait for Retry-After seconds."),
    500: ("internal", "Internal error", "Something went wrong here. Try again, or tell us."),
    503: ("unavailable", "Unavailable", "The database does not answer. Try again in a minute."),
}


class Fault(BaseModel):
    """One thing that is wrong."""

    detail: str = Field(description="What is wrong and what to do.")
    pointer: str | None = Field(
        default=None, description="Where: a JSON pointer into the body, such as #/steps/0/day."
    )
    parameter: str | None = Field(
        default=None, description="Where: a parameter of the path, the query or the headers."
    )


class ProblemBody(BaseModel):
    """Why a request was refused (RFC 9457)."""

    type: str = Field(examples=[f"{KIND}invalid"], description="For programs; it does not change.")
    title: str = Field(examples=["Invalid"])
    status: int = Field(examples=[422])
    detail: str
    errors: list[Fault] = []
    figures: dict[str, Any] | None = Field(
        default=None,
        description="Of `figures-changed` only: what `…/resume/figures` says now, with its token.",
    )


class Problem(Exception):  # noqa: N818  it is an answer
    """Refuses a request. `kind`: the type's last word, where the status has several."""

    figures: dict[str, Any] | None = None  # to be looked at before it is sent again

    def __init__(
        self,
        status: int,
        detail: str = "",
        faults: Sequence[Fault] = (),
        *,
        kind: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.faults = status, detail, list(faults)
        self.kind, self.headers = kind, dict(headers or {})


def answer(problem: Problem) -> HttpResponse:
    """The refusal as a response."""
    kind, title, usual = PROBLEMS[problem.status]
    body = ProblemBody(
        type=f"{KIND}{problem.kind or kind}",
        title=title,
        status=problem.status,
        detail=problem.detail or usual,
        errors=problem.faults,
        figures=problem.figures,
    )
    headers = dict(problem.headers)
    if problem.status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="CLIRNET"'
    return HttpResponse(
        json.dumps(body.model_dump(exclude_none=True), ensure_ascii=False),
        status=problem.status,
        content_type=CONTENT_TYPE,
        headers=headers,
    )


def at(*place: str | int) -> str:
    """A JSON pointer into the body (RFC 6901)."""
    parts = (str(part).replace("~", "~0").replace("/", "~1") for part in place)
    return "#" + "".join(f"/{part}" for part in parts)


def invalid(detail: str, *place: str | int) -> Problem:
    """422 about one place of the body."""
    return Problem(422, detail, [Fault(detail=detail, pointer=at(*place))])


def faults_of(error: ModelError, *place: str | int) -> list[Fault]:
    """What a model's full_clean() says, below a place of the body."""
    if not hasattr(error, "error_dict"):
        return [Fault(detail=message, pointer=at(*place)) for message in error.messages]
    return [
        Fault(detail=message, pointer=at(*place) if name == "__all__" else at(*place, name))
        for name, messages in error.message_dict.items()
        for message in messages
    ]


# --- what is raised elsewhere ----------------------------------------------------------------


class _Place(NamedTuple):
    pointer: str | None = None
    parameter: str | None = None


def _place(loc: Sequence[Any]) -> _Place:
    """Ninja says ("body", "payload", "steps", 0, "day"): the second is our own name of it."""
    source, *rest = loc
    if source in {"body", "form", "file"}:
        return _Place(pointer=at(*rest[1:]))
    return _Place(parameter=str(rest[-1] if rest else source))


def _of_request(error: RequestError) -> Problem:
    faults = [
        Fault(detail=in_words(found), **_place(found["loc"])._asdict()) for found in error.errors
    ]
    return Problem(422, faults=faults)


def _of_http(error: HttpError) -> Problem:
    cause = error.__cause__
    if isinstance(cause, Refused):
        return _of_body(cause)
    return Problem(error.status_code if error.status_code in PROBLEMS else 400)


def _of_body(refusal: Refused) -> Problem:
    return Problem(refusal.status, str(refusal))


def _of_campaign(refusal: NotReady) -> Problem:
    return Problem(
        409,
        " ".join(refusal.problems),
        [Fault(detail=problem) for problem in refusal.problems],
        kind="not-ready",
    )


def _of_model(error: ModelError) -> Problem:
    return Problem(422, faults=faults_of(error))


def unexpected(error: BaseException) -> Problem:
    """500. The log gets where it happened: the error's own words may quote a row."""
    where = "".join(traceback.format_tb(error.__traceback__))
    logger.error("API: %s\n%s", type(error).__name__, where)
    return Problem(503 if isinstance(error, OperationalError) else 500)


def register(api: NinjaAPI) -> None:
    """Have every refusal answered as problem details."""

    def handle(kind: type[Exception], make: Any) -> None:
        def handler(_request: HttpRequest, error: Any) -> HttpResponse:
            return answer(make(error))

        api.add_exception_handler(kind, handler)

    handle(Problem, lambda problem: problem)
    handle(RequestError, _of_request)
    handle(HttpError, _of_http)
    handle(Refused, _of_body)
    handle(NotReady, _of_campaign)
    handle(ModelError, _of_model)
    handle(Http404, lambda _error: Problem(404))
    handle(Exception, unexpected)


def missing(names: Iterable[str]) -> str:
    """Names as a sentence lists them."""
    return ", ".join(f"“{name}”" for name in names)
