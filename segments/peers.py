"""Social proof: what other doctors did by `now`, counted from data and never invented.

Counting goes over everybody, so figures are kept in the cache for an hour, under keys that name
the hour of `now`. The cache holds counts and ids only: names, and the consent to be named, are
read from the database each time. Without the cache everything is counted anew.
"""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple, TypeVar

from django.core.cache import cache
from django.db import connection
from django.db.models import Avg, Case, Count, Exists, Max, Min, OuterRef, Q, QuerySet, When

from segments.imports.names import strip_titles
from segments.models import (
    AgentUsage,
    Certificate,
    CourseProgress,
    Doctor,
    SessionRegistration,
)

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

KEPT_SECONDS = 3600
RECENT = timedelta(days=7)  # the texts say “this week”
THIS_MONTH = timedelta(days=30)  # as others say
JUST_COMPLETED = timedelta(days=30)
# Kept of each group: what a text names and a spare or two, since nobody is named to themself
# and somebody may since have asked not to be named.
AGENT_PEERS, AGENT_CANDIDATES = 3, 5
CANDIDATES = 2
AGENTS = 3
GOOD_RATING = 4

PEER_FIELDS = (
    "doctor_id",
    "doctor__first_name",
    "doctor__last_name",
    "doctor__specialty",
    "doctor__location",
)


class Peer(NamedTuple):
    """A doctor who agreed to be named to others."""

    doctor_id: int
    name: str  # without “Dr.”
    specialty: str
    location: str
    testimonial: str = ""


class CourseFigures(NamedTuple):
    """What other doctors made of a course."""

    started: int = 0
    completed: int = 0
    completed_lately: int = 0  # in the last 7 days
    rating: float | None = None  # by those who completed it
    peers: tuple[int, ...] = ()  # progress of doctors who just completed it
    admirers: tuple[int, ...] = ()  # progress of doctors who rated it well

    @property
    def completion_rate(self) -> int:
        """Whole percent of those who started."""
        return 100 * self.completed // self.started if self.started else 0


class SessionFigures(NamedTuple):
    """What other doctors made of a session."""

    views: int = 0
    ratings: int = 0
    rating: float | None = None  # by those who attended or watched it
    admirers: tuple[int, ...] = ()  # registrations of doctors who rated it well


class CertificateFigures(NamedTuple):
    """Certificates of one session or course."""

    issued: int = 0  # doctors
    downloaded: int = 0  # doctors


@dataclass(frozen=True, slots=True)
class AgentNetwork:
    """Who uses agents, and which: the network of every doctor at once."""

    by_specialty: dict[str, int] = field(default_factory=dict)
    by_location: dict[str, int] = field(default_factory=dict)
    by_both: dict[tuple[str, str], int] = field(default_factory=dict)
    nameable: dict[tuple[str, str], list[int]] = field(default_factory=dict)
    agents: dict[str, list[str]] = field(default_factory=dict)  # '' is everybody
    new_users: int = 0  # who used their first one in the last 30 days

    def size(self, specialty: str, location: str) -> int:
        """Doctors of the same specialty or location who use agents."""
        return (
            self.by_specialty.get(specialty, 0)
            + self.by_location.get(location, 0)
            - self.by_both.get((specialty, location), 0)
        )

    def candidates(self, specialty: str, location: str) -> list[int]:
        """Some of them who may be named, those of the same specialty first."""
        same = self.nameable.get(("specialty", specialty), [])
        near = self.nameable.get(("location", location), [])
        return list(dict.fromkeys([*same, *near]))

    def suggested(self, area: str) -> list[str]:
        """The three agents most used in a specialty, made up with those most used over all."""
        ranked = [*self.agents.get(area, []), *self.agents.get("", [])]
        return list(dict.fromkeys(ranked))[:AGENTS]


def agent_network(now: datetime) -> AgentNetwork:
    """Figures about the use of agents by `now`."""
    return _kept("agent-network", ["all"], now, lambda _: {"all": _count_agents(now)})["all"]


def agent_peers(
    network: AgentNetwork, readers: Mapping[int, tuple[str, str]]
) -> dict[int, list[Peer]]:
    """Up to three named doctors who use agents for each reader (id: specialty, location)."""
    candidates = {
        reader_id: network.candidates(specialty, location)
        for reader_id, (specialty, location) in readers.items()
    }
    ids = {doctor_id for chosen in candidates.values() for doctor_id in chosen}
    rows = Doctor.objects.filter(pk__in=ids, may_be_named=True).exclude(specialty="")
    fields = ("pk", "first_name", "last_name", "specialty", "location")
    found = map(_peer, rows.order_by().values_list(*fields))
    peers = {peer.doctor_id: peer for peer in found if peer.name}
    return {
        reader_id: [
            peers[peer_id] for peer_id in chosen if peer_id in peers and peer_id != reader_id
        ][:AGENT_PEERS]
        for reader_id, chosen in candidates.items()
    }


def course_figures(course_ids: Collection[int], now: datetime) -> dict[int, CourseFigures]:
    """Figures of the courses by `now`."""
    return _kept("courses", course_ids, now, functools.partial(_count_courses, now=now))


def session_figures(session_ids: Collection[int], now: datetime) -> dict[int, SessionFigures]:
    """Figures of the sessions and their recordings by `now`."""
    return _kept("sessions", session_ids, now, functools.partial(_count_sessions, now=now))


def certificate_figures(
    kind: str, ids: Collection[int], now: datetime
) -> dict[int, CertificateFigures]:
    """Certificates by `now` of each “session” or each “course”, as `kind` says."""
    count = functools.partial(_count_certificates, kind, now=now)
    return _kept(f"certificates-{kind}", ids, now, count)


def course_peers(figures: Iterable[CourseFigures]) -> dict[int, Peer]:
    """The doctors of `peers` and `admirers`, by id of their progress, who may be named now."""
    ids = {pk for course in figures for pk in (*course.peers, *course.admirers)}
    rows = CourseProgress.objects.filter(pk__in=ids, doctor__may_be_named=True).values_list(
        "pk", *PEER_FIELDS, "rating", "testimonial"
    )
    return {
        # What somebody wrote who did not like it is no testimonial.
        pk: _peer(doctor, testimonial if rating is None or rating >= GOOD_RATING else "")
        for pk, *doctor, rating, testimonial in rows
    }


def session_peers(figures: Iterable[SessionFigures]) -> dict[int, Peer]:
    """The doctors of `admirers`, by id of their registration, who may be named now."""
    ids = {pk for session in figures for pk in session.admirers}
    rows = SessionRegistration.objects.filter(pk__in=ids, doctor__may_be_named=True)
    return {pk: _peer(doctor) for pk, *doctor in rows.values_list("pk", *PEER_FIELDS)}


def first_other(ids: Iterable[int], peers: Mapping[int, Peer], reader_id: int) -> Peer | None:
    """The first of `ids` that is a named peer and not the reader."""
    for pk in ids:
        peer = peers.get(pk)
        if peer and peer.name and peer.doctor_id != reader_id:
            return peer
    return None


def full_name(first: str, last: str) -> str:
    """First and last name without “Dr.”; a doctor's only name is not said twice."""
    return " ".join(dict.fromkeys(filter(None, map(strip_titles, (first, last)))))


def _peer(doctor: Sequence[Any], testimonial: str = "") -> Peer:
    doctor_id, first, last, specialty, location = doctor
    return Peer(doctor_id, full_name(first, last), specialty, location, testimonial)


def _count_agents(now: datetime) -> AgentNetwork:
    network = AgentNetwork(new_users=_count_new_users(now))
    used = AgentUsage.objects.filter(doctor=OuterRef("pk"), used_at__lte=now)
    groups = Doctor.objects.filter(Exists(used)).order_by().values_list("specialty", "location")
    specialties: dict[str, int] = defaultdict(int)
    locations: dict[str, int] = defaultdict(int)
    for specialty, location, users in groups.annotate(users=Count("pk")):
        if specialty:
            specialties[specialty] += users
        if location:
            locations[location] += users
        if specialty and location:
            network.by_both[specialty, location] = users
    network.by_specialty.update(specialties)
    network.by_location.update(locations)
    network.nameable.update(_nameable_users(now))
    network.agents.update(_agents_by_area(now))
    return network


def _count_new_users(now: datetime) -> int:
    firsts = AgentUsage.objects.filter(used_at__lte=now).order_by().values("doctor")
    return firsts.annotate(first=Min("used_at")).filter(first__gt=now - THIS_MONTH).count()


def _nameable_users(now: datetime) -> dict[tuple[str, str], list[int]]:
    """The latest users of agents who may be named, by specialty and by location."""
    rows = (
        AgentUsage.objects.filter(used_at__lte=now, doctor__may_be_named=True)
        .exclude(doctor__specialty="")
        .values_list("doctor_id", "doctor__specialty", "doctor__location")
        .annotate(last=Max("used_at"))
        .order_by("-last", "doctor_id")
    )
    found: dict[tuple[str, str], list[int]] = defaultdict(list)
    for doctor_id, specialty, location, _ in rows:
        for group in (("specialty", specialty), ("location", location)):
            if group[1] and len(found[group]) < AGENT_CANDIDATES:
                found[group].append(doctor_id)
    return found


def _agents_by_area(now: datetime) -> dict[str, list[str]]:
    """The agents most used by doctors of a specialty or for that area; '' is over all."""
    rows = (
        AgentUsage.objects.filter(used_at__lte=now)
        .exclude(agent="")
        .values_list("doctor__specialty", "specialty_area", "agent")
        .annotate(uses=Count("pk"))
        .order_by()
    )
    uses: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for specialty, area, agent, count in rows:
        for group in {specialty, area, ""}:
            uses[group][agent] += count
    return {
        group: sorted(agents, key=lambda agent: (-agents[agent], agent))[:AGENTS]
        for group, agents in uses.items()
    }


def _count_courses(course_ids: Sequence[int], now: datetime) -> dict[int, CourseFigures]:
    progress = CourseProgress.objects.filter(course__in=course_ids).order_by()
    done = Q(completed_at__lte=now)
    counted = progress.values_list("course_id").annotate(
        started=Count("pk", filter=Q(started_at__lte=now)),
        completed=Count("pk", filter=done),
        completed_lately=Count("pk", filter=done & Q(completed_at__gt=now - RECENT)),
        average=Avg("rating", filter=done),
    )
    nameable = progress.filter(done, doctor__may_be_named=True)
    peers = nameable.filter(completed_at__gt=now - JUST_COMPLETED)
    peer_ids = _first_ids(peers.order_by(_TOLD_IN_FULL, "-completed_at", "pk"), "course_id")
    admirers = nameable.filter(rating__gte=GOOD_RATING)
    admirer_ids = _first_ids(admirers.order_by("-completed_at", "pk"), "course_id")
    return dict.fromkeys(course_ids, CourseFigures()) | {
        pk: CourseFigures(*row)._replace(peers=tuple(peer_ids[pk]), admirers=tuple(admirer_ids[pk]))
        for pk, *row in counted
    }


def _count_sessions(session_ids: Sequence[int], now: datetime) -> dict[int, SessionFigures]:
    registrations = SessionRegistration.objects.filter(session__in=session_ids).order_by()
    viewed = Q(recording_viewed_at__lte=now)
    took_part = viewed | Q(attended_at__lte=now)
    counted = registrations.values_list("session_id").annotate(
        views=Count("pk", filter=viewed),
        ratings=Count("rating", filter=took_part),
        average=Avg("rating", filter=took_part),
    )
    admirers = registrations.filter(
        took_part, rating__gte=GOOD_RATING, doctor__may_be_named=True
    ).order_by(_PLACED, "-registered_at", "pk")
    admirer_ids = _first_ids(admirers, "session_id")
    return dict.fromkeys(session_ids, SessionFigures()) | {
        pk: SessionFigures(*row)._replace(admirers=tuple(admirer_ids[pk])) for pk, *row in counted
    }


def _count_certificates(
    kind: str, ids: Sequence[int], now: datetime
) -> dict[int, CertificateFigures]:
    counted = (
        Certificate.objects.filter(**{f"{kind}__in": ids}, issued_at__lte=now)
        .order_by()
        .values_list(f"{kind}_id")
        .annotate(
            issued=Count("doctor", distinct=True),
            downloaded=Count("doctor", distinct=True, filter=Q(downloaded_at__lte=now)),
        )
    )
    return dict.fromkeys(ids, CertificateFigures()) | {
        pk: CertificateFigures(*row) for pk, *row in counted
    }


# Sorts first whom a text can introduce: with a place, with a specialty, with a testimonial.
_PLACED = Case(When(doctor__location__gt="", then=0), default=1)
_TOLD_IN_FULL = Case(
    When(
        Q(rating=None) | Q(rating__gte=GOOD_RATING),
        testimonial__gt="",
        doctor__location__gt="",
        doctor__specialty__gt="",
        then=0,
    ),
    default=1,
)


def _first_ids(rows: QuerySet[Any], group: str) -> dict[int, list[int]]:
    """The first few primary keys of each group, in the order of `rows`."""
    found: dict[int, list[int]] = defaultdict(list)
    for key, pk in rows.values_list(group, "pk"):
        if len(found[key]) < CANDIDATES:
            found[key].append(pk)
    return found


def _kept(
    kind: str, keys: Collection[K], now: datetime, count: Callable[[Sequence[K]], dict[K, V]]
) -> dict[K, V]:
    """The figure of each key: from the cache, or counted (all missing at once) and put there."""
    prefix = f"peers:{connection.settings_dict['NAME']}:{kind}:{now:%Y%m%d%H}"
    names = {key: f"{prefix}:{key}" for key in keys}
    if not names:
        return {}
    cached = cache.get_many(names.values())
    found = {key: cached[name] for key, name in names.items() if name in cached}
    missing = [key for key in names if key not in found]
    if missing:
        counted = count(missing)
        found |= counted
        cache.set_many({names[key]: counted[key] for key in missing}, KEPT_SECONDS)
    return found
