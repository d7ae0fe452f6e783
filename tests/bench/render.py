"""Render the strategy's messages as they are sent: filled in, laid out, and an e-mail written."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from messaging import catalogue, layout, render
from messaging.mime import Composer
from messaging.providers.base import Outgoing
from tests.bench.measure import Figure

NOW = datetime(2026, 3, 4, 6, 30, tzinfo=UTC)
FIXTURES = Path(__file__).parents[2] / "fixtures" / "templates"
AIMS = {"whatsapp": "60 us", "sms": "60 us", "email": "600 us"}
# Doctors of a window are many, and their values differ.
DOCTORS = 500

Template = dict[str, Any]
Values = list[dict[str, Any]]


def run(rows: int = 100_000) -> list[Figure]:
    """Render about `rows` messages of each channel, by all of its templates in turn."""
    templates: list[Template] = [
        row for path in sorted(FIXTURES.glob("*.yaml")) for row in yaml.safe_load(path.read_text())
    ]
    values = {name: _values(name) for name in {row["segment_type"] for row in templates}}
    figures = []
    for channel, aim in AIMS.items():
        group = [row for row in templates if row["channel"] == channel]
        figures += [_compile(channel, group), _render(channel, group, values, rows, aim)]
    return [*figures, *_fill(templates, values, rows)]


def _values(segment_type: str) -> Values:
    examples = catalogue.examples(segment_type)
    return [
        {**examples, "first_name": f"Asha {n}", "last_name": f"Rao {n}"} for n in range(DOCTORS)
    ]


def _cpu(work: Callable[[int], object], times: int) -> float:
    """Microseconds of CPU each time."""
    before = time.process_time()
    for n in range(times):
        work(n)
    return 1e6 * (time.process_time() - before) / times


def _compiled(template: Template) -> render.Message:
    return render.compile_message(
        template["channel"], template["template_content"], template.get("subject_line")
    )


def _compile(channel: str, templates: list[Template]) -> Figure:
    spent = []
    for template in templates:
        render.compile_message.cache_clear()
        render.compile_template.cache_clear()
        layout._markup.cache_clear()
        spent.append(_cpu(lambda _, row=template: _compiled(row), 1) / 1000)
    return Figure(
        f"{channel}: compile a version",
        f"{sum(spent) / len(spent):.2f} ms of CPU, the dearest of {len(spent)} {max(spent):.2f} ms",
    )


def _render(
    channel: str, templates: list[Template], values: dict[str, Values], rows: int, aim: str
) -> Figure:
    composer = Composer("CLIRNET <news@clirnet.example>")

    def message_of(template: Template) -> Callable[[int], object]:
        doctors = values[template["segment_type"]]

        def work(n: int) -> object:
            links = render.links(f"{n:022}")
            texts = render.texts_of(doctors[n % DOCTORS], links)
            message = _compiled(template)
            assert not message.missing(texts)
            parts = message.fill(texts, links)
            outgoing = Outgoing(
                uuid.UUID(int=n),
                channel,
                f"doctor{n}@example.com",
                parts.text,
                parts.subject,
                parts.html,
                links.unsubscribe,
            )
            return composer.compose(outgoing, NOW) if channel == "email" else outgoing

        return work

    times = max(1, rows // len(templates))
    spent = {row["template_key"]: _cpu(message_of(row), times) for row in templates}
    dearest = max(spent, key=spent.__getitem__)
    parts = "all parts and the mail" if channel == "email" else "the text"
    return Figure(
        f"{channel}: {parts}, {times * len(templates):,} by {len(templates)} templates",
        f"{sum(spent.values()) / len(spent):.0f} us of CPU each, "
        f"the dearest ({dearest}) {spent[dearest]:.0f} us",
        aim,
    )


def _fill(templates: list[Template], values: dict[str, Values], rows: int) -> Iterator[Figure]:
    """What the engine's budget is about: an e-mail's text and HTML alone."""
    emails = [row for row in templates if row["channel"] == "email"]
    for kind, has_lists, aim in (("without lists", False, "20 us"), ("with lists", True, "")):
        spent = []
        for row in emails:
            if ("{{#" in row["template_content"]) is has_lists:
                message, links = _compiled(row), render.links("0" * 22)
                texts = render.texts_of(values[row["segment_type"]][0], links)
                spent.append(
                    _cpu(
                        lambda _, message=message, texts=texts, links=links: message.fill(
                            texts, links
                        ),
                        max(1, rows // len(emails)),
                    )
                )
        yield Figure(
            f"email: fill in text and HTML {kind}",
            f"{sum(spent) / len(spent):.1f} us of CPU each, the dearest {max(spent):.1f} us",
            aim,
        )
