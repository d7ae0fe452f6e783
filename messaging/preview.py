"""What one doctor would get of a text that is still being written. Nothing is stored or sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from messaging import accounts, catalogue, render, sms
from messaging.audience.members import Audience, Member, sample_variables, truth
from messaging.layout import page_size
from messaging.layout.lines import first_sentence
from messaging.layout.markup import Markup
from messaging.models import Channel
from messaging.models.template import MEASURED
from messaging.mustache import VISIBLE, Template, Texts
from messaging.render import Message, TemplateError
from messaging.syntax import Finding, braced
from messaging.validation import LONGEST, Draft, check_template
from messaging.validation.draft import CONTENT
from messaging.validation.size import WHATSAPP_LIMIT
from messaging.whatsapp import runs
from segments.definitions import DEFINITIONS
from segments.models import Doctor

# Stands for a delivery's token in everything that is shown or sent to try a text out. As long as a
# token, so that an SMS is measured as it will be; no token ends with this letter.
TEST_TOKEN = "preview-of-a-test-link"  # noqa: S105
# Nothing is fetched and no link is followed: either would count as the doctor's.
_LOCK = (
    '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
    'style-src \'unsafe-inline\'; img-src data:"><base target="_blank">'
)


def locked(html: str) -> str:
    """An e-mail's page for the srcdoc of a frame with sandbox="": it can neither load nor run."""
    return _LOCK + html


@dataclass(frozen=True, slots=True)
class Person:
    """Whose message is shown: a doctor of the segment, or the catalogue's examples.

    `place` and `count` are None where they were not asked for; `note` says what is not as asked.
    """

    variables: Mapping[str, Any]
    doctor: Doctor | None = None
    place: int | None = None
    count: int | None = None
    note: str = ""

    def as_json(self) -> dict[str, Any]:
        """For the page."""
        return {
            "doctor": self.doctor.pk if self.doctor else None,
            "name": str(self.doctor) if self.doctor else "Example data",
            "place": self.place,
            "count": self.count,
            "note": self.note,
        }


def example(segment_type: str, why: str) -> Person:
    """The catalogue's example values; `why` says why no doctor is shown."""
    known = segment_type if segment_type in DEFINITIONS else None
    return Person(catalogue.examples(known), note=f"{why} The catalogue's examples stand in.")


def nth_doctor(audience: Audience, place: int) -> Person:
    """The doctor at a place of the segment, the last one where there are not so many."""
    count = audience.count()
    place = max(1, min(place, count))
    member = audience.nth(place) if count else None
    if member is None:
        return example(audience.segment_type, "Nobody is in this segment now.")
    return _person(audience, member, place, count)


def chosen_doctor(audience: Audience, doctor_id: int, *, is_counted: bool = False) -> Person:
    """A doctor of the segment; somebody who is not in it is not shown, but its first doctor is.

    `is_counted`: also say at which place of how many the doctor stands.
    """
    found = audience.among([doctor_id])
    if not found:
        first = nth_doctor(audience, 1)
        if first.doctor is None:
            return first
        note = "The doctor chosen is not in this segment; its first doctor is shown."
        return Person(first.variables, first.doctor, first.place, first.count, note)
    if is_counted:
        return _person(audience, found[0], audience.place_of(found[0]), audience.count())
    return _person(audience, found[0])


def _person(
    audience: Audience, member: Member, place: int | None = None, count: int | None = None
) -> Person:
    (variables,) = audience.variables([member])
    return Person(variables, Doctor.objects.get(pk=member.doctor_id), place, count)


# --- what is shown --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Sight:
    """A draft as one person would get it. No `parts`: it cannot be rendered."""

    findings: Sequence[Finding]
    missing: Sequence[str] = ()  # names without a value: the message would be skipped
    defaulted: Sequence[str] = ()  # names for which a default stands in
    parts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def has_errors(self) -> bool:
        """Whether the draft could not be saved as it is."""
        return any(finding.level == "error" for finding in self.findings)


def links(channel: str = "") -> render.Links:
    """Addresses that lead to a page which says that this is a test."""
    return render.links(TEST_TOKEN, channel)


def compiled(draft: Draft) -> Message:
    """The draft parsed, past the cache: a text that is being typed is seen once. TemplateError."""
    parse = render.compile_message.__wrapped__
    message: Message = parse(draft.channel, draft.content, draft.subject, draft.preheader)
    return message


def texts(draft: Draft, person: Person) -> Texts:
    """The person's values, the draft's defaults where one is absent, and the test's links."""
    defaults = draft.defaults if isinstance(draft.defaults, dict) else {}
    return render.texts_of(
        catalogue.with_defaults(person.variables, defaults), links(draft.channel)
    )


def look(draft: Draft, person: Person, now: datetime) -> Sight:
    """Everything the page shows of a draft for one person."""
    if len(draft.content) > LONGEST:
        why = f"The text has more than {LONGEST:,} characters."
        return Sight([Finding("error", CONTENT, None, why, "Shorten it to see it here.")])
    people = sample_variables(draft.segment_type, now, MEASURED)
    findings = check_template(
        draft, [*people, person.variables] if draft.channel == Channel.SMS else (), truth(people)
    )
    try:
        message = compiled(draft)
    except TemplateError:  # the findings say so
        return Sight(findings)
    values = texts(draft, person)
    return Sight(
        findings,
        message.missing(values),
        _defaulted(message, person.variables, values),
        _parts(draft, message, values),
    )


def _defaulted(message: Message, own: Mapping[str, Any], values: Texts) -> list[str]:
    """Names that stand in the message, that the person has no value for, and a default has."""
    given = values.values_of_message
    return [name for name in message.names if given.get(name) and _is_absent(own, name, given)]


def _is_absent(own: Mapping[str, Any], name: str, given: Mapping[str, Any]) -> bool:
    if name in catalogue.SYSTEM or own.get(name) == given[name]:
        return False
    return not VISIBLE.search(str(own.get(name) or ""))


def verdict(person: Person, sight: Sight) -> str:
    """What becomes of this person's message where a value is missing; '' where none is."""
    who = str(person.doctor) if person.doctor else "A doctor with these values"
    # Names that do not exist are told as errors: no default would help them.
    if known := [name for name in sight.missing if name.partition(".")[0] in catalogue.BY_NAME]:
        names = ", ".join(map(braced, known))
        return (
            f"{who} would be skipped: no value for {names}. "
            "Give a default, or leave it out of the text."
        )
    if sight.defaulted:
        names = ", ".join(map(braced, sight.defaulted))
        return f"{who} has no value for {names}: your default stands in."
    return ""


def _parts(draft: Draft, message: Message, values: Texts) -> dict[str, Any]:
    rendered = message.fill(values, links(draft.channel)._replace(pixel="data:,"))
    if draft.channel == Channel.SMS:
        return _sms_parts(draft, rendered.text)
    if draft.channel == Channel.WHATSAPP:
        return {
            "runs": [run._asdict() for run in runs(rendered.text)],
            "length": len(rendered.text),
            "limit": WHATSAPP_LIMIT,
        }
    return {
        "subject": rendered.subject,
        "preheader": " ".join(_preheader(draft, message).fill(values).split()),
        "html": locked(rendered.html),
        "text": rendered.text,
        "bytes": page_size(rendered.html),
    }


def _preheader(draft: Draft, message: Message) -> Template:
    """As layout.page() has it: the draft's own, else how the text begins."""
    if message.preheader:
        return message.preheader
    markup = Markup(draft.content)
    return Template(markup.restored(first_sentence(markup).replace("{{", "{ {")))


def _sms_parts(draft: Draft, text: str) -> dict[str, Any]:
    size = sms.measure(text)
    alone, each = sms.CAPACITY[size.encoding]
    room = alone if size.segments <= 1 else each * size.segments
    return {
        "text": text,
        "encoding": size.encoding,
        "units": size.units,
        "room": room,
        "segments": size.segments,
        "allowed": draft.max_sms_segments,
        "forcing": [
            {**found._asdict(), "is_typed": found.char in draft.content}
            for found in sms.replacements(text)
        ],
        "price": _price(size.segments),
    }


def _price(segments: int) -> str:
    """What one such SMS costs, in words."""
    account = accounts.account_for(Channel.SMS)
    price = account.price_per_message if account else Decimal(0)
    if not price:
        return "No price is set: write it into the account under Provider accounts."
    one, all_ = (f"₹{amount.normalize():f}" for amount in (price, price * segments))
    return f"About {all_} for one doctor: {segments} x {one}."


def as_json(person: Person, sight: Sight) -> dict[str, Any]:
    """What the page is told."""
    return {
        "person": person.as_json(),
        "verdict": verdict(person, sight),
        "skipped": bool(sight.missing),
        "findings": [{**finding._asdict(), "words": str(finding)} for finding in sight.findings],
        "parts": dict(sight.parts),
    }
