"""What the description of the API says before its operations."""

from __future__ import annotations

from campaigns.api.errors import KIND, PROBLEMS
from campaigns.api.idempotency import KEPT, NAME
from campaigns.api.pagination import MOST
from campaigns.api.throttle import PER_MINUTE
from messaging.webhooks.body import MOST_BYTES, MOST_DEPTH
from segments.imports.batch import MOST_ROWS

# Those of PROBLEMS that a status has beside its usual one (errors.py): what to do.
KINDS = {
    "scope-missing": (403, "The key lacks a scope: make another one in the admin."),
    "permission-missing": (403, "The key's owner may not: ask for the permission."),
    "not-ready": (409, "The campaign's state does not allow it; `errors` says why, one by one."),
    "second-person-needed": (409, "Send the same to `POST …/proposal`: somebody else makes it."),
    "figures-changed": (409, "Look at `figures` of the refusal, and send its `token` as `seen`."),
    "token-missing": (409, "Ask `…/revision` first, and send its token."),
    "changed-meanwhile": (409, "Somebody saved a newer version: look at it first."),
    "in-use": (409, "Something depends on it."),
    "in-progress": (409, "The first request with this key is not done: wait for `Retry-After`."),
    "idempotency-key-reused": (422, "The key came with another request: choose a new one."),
}

_TOP = f"""
Campaigns, texts, figures, and what doctors do, as the back office's admin has them: by the same
rules and the same permissions.

### Keys

Keys are made in the admin under *API keys* and sent with each request as
`Authorization: Bearer clr_…`. A key has **scopes**, and may do what its owner may; each operation
says which scope and permission it needs. To try things out here, press *Authorize* and paste a key.

### Requests

Bodies are JSON (`Content-Type: application/json`), uncompressed, of {MOST_BYTES:,} bytes and
{MOST_DEPTH} levels at most. Fields and parameters that do not exist are refused, so that no typing
error passes for a filter. Moments are sent with their zone (`2026-03-04T12:00:00+05:30`); hours of
the day are in the doctor's zone. `HEAD` works wherever `GET` does.

### Lists

Lists are newest first and come in pages: `limit` rows ({MOST} at most) and `next`, which is sent
as `cursor` to get the page after; it is null on the last one. What comes in meanwhile moves
nothing. There are no page numbers and no totals.

    GET /api/v1/campaigns?limit=50
    GET /api/v1/campaigns?limit=50&cursor=<next>

### Doing things once

What makes something takes an `{NAME}` of your own choice, such as a UUID; batches need one. Sent
again within {KEPT.days} days with the same address and body, it does nothing and gets the same
answer. With another body it is refused (422), and while the first is not done, too (409). A request
that failed is not remembered: send it again with the same key.

### Looking before it is done

A change of a campaign under way, and a resumption, can be looked at first: `…/revision` and
`…/resume/figures` say what becomes of whom and give a token, which is sent with what you then do
(`token`, `seen`). Where things stand otherwise by then, nothing is done (409).

A campaign that you read has an `ETag`, and so has the answer to a change of it. Sent with the next
change as `If-Match`, nothing is done where somebody else has changed it since (412). Of a template,
send the `version` that you have read.

Where two people are asked for (setting FOUR_EYES), a revision that alters what is sent, to whom or
when says `needs_second`. It is made in two requests, by keys of two owners:

    POST /api/v1/campaigns/<id>/revision          the change: its token, needs_second
    POST /api/v1/campaigns/<id>/proposal          the change and the token: it waits
    GET  /api/v1/campaigns/<id>/proposal          what waits, by whom, what keeps you: its token
    POST /api/v1/campaigns/<id>/proposal/accept   that token: it is made
    POST /api/v1/campaigns/<id>/proposal/send-back   or dropped, with a reason

### Batches

`POST /activity/{{kind}}` takes up to {MOST_ROWS:,} rows. Good rows go in; each bad one is told with
its place, field and reason, and leaves the others alone: look at `rejected` of the answer.

### Rate limit

{PER_MINUTE} requests a minute and key. Every answer has `RateLimit-Limit`, `RateLimit-Remaining`
and `RateLimit-Reset` (seconds); beyond it comes 429 with `Retry-After`.

### Errors

Refusals are problem details (RFC 9457, `application/problem+json`). `type` is for programs and
stays the same, `detail` is for people, and `errors` says what is wrong where: `pointer` into the
body, or the `parameter`. Nothing is done by halves: what is refused has changed nothing.

    {{
      "type": "{KIND}invalid",
      "title": "Invalid",
      "status": 422,
      "detail": "Some of what was sent is not right; errors says what.",
      "errors": [{{"detail": "Has to be 0 at least.", "pointer": "#/steps/0/day"}}]
    }}
"""


def introduction() -> str:
    """In Markdown, with a table of every `type` that a refusal has."""
    rows = [(status, kind, said) for status, (kind, _, said) in PROBLEMS.items()]
    rows += [(status, kind, said) for kind, (status, said) in KINDS.items()]
    table = [f"| {status} | `{KIND}{kind}` | {said} |" for status, kind, said in sorted(rows)]
    head = ["| Status | `type` | What to do |", "|---|---|---|"]
    return "\n".join([_TOP.strip(), "", *head, *table])
