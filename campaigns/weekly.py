"""The weekly review: on Monday, what went well and what lags behind, by e-mail to the team.

It compares the week before, Monday to Sunday, with the strategy's targets and with the week before
that. It goes to each active person with the permission `campaigns.receive_weekly_review` and an
e-mail address, once: the row is there before the mail server hears of it.
"""

from __future__ import annotations

import contextlib
import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from smtplib import SMTPRecipientsRefused, SMTPResponseException
from typing import Any

import css_inline
from django.conf import settings
from django.contrib.auth.models import User
from django.core.mail import EmailMultiAlternatives, get_connection
from django.db import transaction
from django.template.loader import render_to_string
from django.utils import timezone

from campaigns.analytics.review import Review, review
from campaigns.models import ReviewState, WeeklyReview

logger = logging.getLogger(__name__)

PERMISSION = "campaigns.receive_weekly_review"
WEEK = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Mail:
    """A review as it is sent."""

    subject: str
    text: str
    html: str


def monday_of(now: datetime) -> date:
    """The Monday of this week, in the settings' time zone: the review is of the week before it."""
    today = timezone.localdate(now)
    return today - timedelta(days=today.weekday())


def recipients() -> list[User]:
    """Who gets it: by a group, by a permission of their own, or as superuser."""
    people = User.objects.with_perm(PERMISSION, backend="django.contrib.auth.backends.ModelBackend")
    return list(people.filter(is_active=True).exclude(email="").order_by("pk"))


def compose(monday: date, now: datetime) -> Mail:
    """The review of the week that ended before this Monday."""
    found: Review = review(monday - WEEK, now)
    context: dict[str, Any] = {"review": found, "base": settings.PUBLIC_BASE_URL}
    first, last = found.first, found.last
    html = render_to_string("campaigns/weekly/mail.html", context)
    return Mail(
        f"Re-engagement, {first.day} {first:%b} to {last.day} {last:%b %Y}: {found.headline}",
        render_to_string("campaigns/weekly/mail.txt", context).strip() + "\n",
        css_inline.inline(html, keep_at_rules=True),
    )


def send_reviews(now: datetime) -> dict[str, int]:
    """Send this week's review to whoever has not got it; returns how many by what became of them.

    Run twice, or by two at once, it sends nothing twice. One whose call broke off stays `sending`
    and is not sent again; one that the mail server refused is.
    """
    monday = monday_of(now)
    done = WeeklyReview.objects.filter(week=monday).exclude(state=ReviewState.REFUSED)
    served = set(done.values_list("recipient", flat=True))
    waiting = [user for user in recipients() if user.pk not in served]
    if not waiting:
        return {}
    mail = compose(monday, now)
    claimed = (_claim(user, monday, mail, now) for user in waiting)
    return dict(Counter(str(_send(row, now)) for row in claimed if row is not None))


def _claim(user: User, monday: date, mail: Mail, now: datetime) -> WeeklyReview | None:
    """The row by which this run, and no other, may send; None: another has it."""
    fields = {
        "address": user.email,
        "subject": mail.subject,
        "text": mail.text,
        "html": mail.html,
        "state": ReviewState.SENDING,
        "error": "",
        "claimed_at": now,
    }
    with transaction.atomic():
        row, is_new = WeeklyReview.objects.get_or_create(
            week=monday, recipient=user, defaults=fields
        )
        # The rival is another run of the task that found the same refusal.
        refused = WeeklyReview.objects.filter(pk=row.pk, state=ReviewState.REFUSED)
        if not is_new and not refused.update(**fields):
            return None
    row.refresh_from_db()
    return row


def _send(row: WeeklyReview, now: datetime) -> ReviewState:
    """Hand it to the mail server, and note what it said."""
    connection = get_connection()
    message = EmailMultiAlternatives(row.subject, row.text, to=[row.address], connection=connection)
    message.attach_alternative(row.html, "text/html")
    try:
        connection.open()
    except OSError as error:  # also what smtplib raises: nothing has been handed over yet
        return _end(row, ReviewState.REFUSED, error)
    try:
        message.send()
    except (SMTPResponseException, SMTPRecipientsRefused) as error:
        return _end(row, ReviewState.REFUSED, error)
    except OSError as error:  # broke off: it may have arrived
        return _end(row, ReviewState.SENDING, error)
    finally:
        with contextlib.suppress(OSError):
            connection.close()
    return _end(row, ReviewState.SENT, sent_at=now)


def _end(
    row: WeeklyReview, state: ReviewState, error: OSError | None = None, **fields: Any
) -> ReviewState:
    said = f"{type(error).__name__}: {error}" if error else ""
    if error:
        logger.warning("weekly review to user %s: %s", row.recipient_id, type(error).__name__)
    WeeklyReview.objects.filter(pk=row.pk).update(state=state, error=said, **fields)
    return state


def last_sent() -> Sequence[WeeklyReview]:
    """The rows of the last week that was sent, to whomever."""
    newest = WeeklyReview.objects.order_by("-week").values("week")[:1]
    rows = WeeklyReview.objects.filter(week__in=newest).select_related("recipient")
    return list(rows.order_by("recipient_id"))


def is_only_logged() -> bool:
    """No mail server is set: what is sent to the team is written to the log instead."""
    return settings.EMAIL_BACKEND.endswith("console.EmailBackend")
