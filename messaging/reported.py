"""A report in words: what it says, what was done with it, and why a machine's does not count."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from django.conf import settings

from messaging.links import timing
from messaging.links.hits import PROVIDER as LINK
from messaging.models import EventKind, ProviderEvent
from messaging.track import TRY_AGAIN_FOR

# Which link of a message was followed (messaging/links/hits.py), and what that means.
LINKS = {
    "target": "Link",
    "pixel": "Picture that counts opens",
    "preferences": "Link to the preferences",
    "hidden": "Hidden link, which no person sees",
}
# What gives a machine away (messaging/links/machine.py).
_BY_REQUEST = {
    "hidden": "hidden link: no person sees it",
    "head": "scanner: it asked for the headers only",
    "prefetch": "preview: loaded ahead of any click",
}
_PREVIEWS = ("preview", "whatsapp", "facebook", "telegram", "skype", "slack", "snippet", "embed")
_BY_TIME = "by its time: too soon after sending, or together with another link"


def which(event: ProviderEvent) -> str:
    """The kind of event, and for a hit on a link which one."""
    link = LINKS.get(str(event.detail.get("link", "")))
    return f"{event.get_kind_display()} ({link.lower()})" if link else event.get_kind_display()


def why_machine(
    event: ProviderEvent,
    authorised: Collection[datetime] = (),
    hits: Collection[ProviderEvent] = (),
) -> str:
    """Why the event is a machine's, in words; '': it is not.

    `authorised`: when its message was, and `hits`: the other hits on its links; by them the reason
    is told that lies in the time alone.
    """
    if not event.is_machine:
        return ""
    found = str(event.detail.get("machine", ""))
    if found == "agent":
        return _by_agent(str(event.detail.get("agent", "")))
    return _BY_REQUEST.get(found) or _by_time(event, authorised, hits)


def _by_agent(agent: str) -> str:
    if not agent.strip():
        return "scanner: it does not say what it is"
    is_preview = any(word in agent.lower() for word in _PREVIEWS)
    return f"{'preview' if is_preview else 'scanner'}: it calls itself “{agent[:60]}”"


def _by_time(
    event: ProviderEvent, authorised: Collection[datetime], hits: Collection[ProviderEvent]
) -> str:
    """The same questions as timing.BY_MACHINE asks, in its order."""
    at = event.occurred_at
    for began in authorised:
        if began <= at < began + settings.LINK_HUMAN_AFTER:
            return f"too soon after sending: {(at - began).total_seconds():.1f} s"
    for other in hits:
        apart = abs(other.occurred_at - at)
        if other.detail.get("link") == "hidden" and apart <= timing.TRAP_SPOILS:
            return "hidden link: followed within seconds of this"
        if other.kind != event.kind and apart <= timing.SAME_MOMENT and _is_click(other):
            return "scanner: two links in the same moment"
    return _BY_TIME if event.provider == LINK else "the provider says so"


def _is_click(event: ProviderEvent) -> bool:
    return event.kind in (EventKind.CLICKED, EventKind.LOOKED)


def fate(event: ProviderEvent, now: datetime) -> str:
    """What was done with a report, in words; `now` is aware.

    Forged ones are refused at the door and never stored, so each of these came from whom it says.
    """
    if event.processed_at is not None:
        return "Kept, not counted" if event.is_machine else "Counted"
    if event.parked_at is None:
        return "Waits: counted within a minute"
    if event.kind == EventKind.INBOUND:
        return "Put aside: it could not be taken; tried again each minute"
    if event.detail.get("other_delivery"):
        return "Put aside: it names one message, and the provider's id of another"
    if now < event.received_at + TRY_AGAIN_FOR:
        return "Put aside: its message is not on its way (yet); tried again for a day"
    return "Ignored: for a day its message was not on its way"
