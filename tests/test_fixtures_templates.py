"""The fixtures say what the strategy says: texts and subjects word for word, days, schedules."""

import ast
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.strategy import parse

FIXTURES = Path(__file__).parent.parent / "fixtures"
BEAT = Path(__file__).parent / "strategy" / "beat.py.txt"

CHANNELS = ["whatsapp", "sms", "email"]
MESSAGES_BY_SEGMENT = {
    "aida_users": 12,
    "incomplete_courses": 15,
    "no_show": 12,
    "unclaimed_certificates": 12,
}
# strategy, Segment-Specific Goals: percent of doctors, within days
GOALS = {
    "aida_users": (20, 14),
    "incomplete_courses": (35, 21),
    "no_show": (40, 10),
    "unclaimed_certificates": (60, 14),
}
# strategy, Timing: 30 days of quiet first, unless an event starts the campaign
INACTIVITY_DAYS = {
    "aida_users": 30,
    "incomplete_courses": 30,
    "no_show": 0,
    "unclaimed_certificates": 0,
}
# the schedules that the strategy's beat code does not name: minute, hour and task
OUR_SCHEDULES = {
    "identify-no-shows": ("*/10", "*", "segments.tasks.identify_no_show_registrants"),
    "enroll-doctors": ("50", "*", "campaigns.tasks.enroll_segments"),
    "advance-rollouts": ("45", "*", "campaigns.tasks.advance_rollouts"),
    "review-experiments": ("30", "23", "campaigns.tasks.review_experiments"),
    "weekly-review": ("0", "8-12", "campaigns.tasks.send_weekly_review"),
    "forget-what-is-old": ("30", "4", "messaging.tasks.forget_what_is_old"),
    "dispatch-messages": ("*", "*", "messaging.tasks.dispatch_due"),
    "reap-expired-leases": ("*", "*", "messaging.tasks.reap_expired_leases"),
    "reconcile-unknown": ("*/10", "*", "messaging.tasks.reconcile_unknown"),
    "end-finished-enrollments": ("20", "*", "campaigns.tasks.end_finished_enrollments"),
    "apply-reports": ("*", "*", "messaging.tasks.apply_reports"),
    "figures-of-today": ("40", "*", "campaigns.tasks.count_today"),
    "audit-deliveries": ("10", "4", "messaging.tasks.audit_deliveries"),
    "check-template-approvals": ("15", "5", "messaging.tasks.check_template_approvals"),
}

STRATEGY = {message.template_key: message for message in parse.messages()}
TEMPLATE_FILES = sorted((FIXTURES / "templates").glob("*.yaml"))


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


TEMPLATE_LIST: list[dict[str, Any]] = [row for path in TEMPLATE_FILES for row in load(path)]
TEMPLATES = {template["template_key"]: template for template in TEMPLATE_LIST}
CAMPAIGNS = {row["segment_type"]: row for row in load(FIXTURES / "campaigns.yaml")}
SCHEDULES = {row["name"]: row for row in load(FIXTURES / "schedules.yaml")}

each_template = pytest.mark.parametrize("key", sorted(STRATEGY))
each_campaign = pytest.mark.parametrize("segment_type", sorted(MESSAGES_BY_SEGMENT))


# --- templates ---------------------------------------------------------------------------------


def test_strategy_page_is_read_completely() -> None:
    page = parse.TEMPLATES.read_text(encoding="utf-8")
    assert page.count("```\n") == 2 * len(STRATEGY)
    assert page.count("\nSubject: ") == sum(m.subject is not None for m in STRATEGY.values()) == 17
    assert Counter(m.segment_type for m in STRATEGY.values()) == MESSAGES_BY_SEGMENT
    assert [d for s in parse.segments().values() for d in s.days] == [
        *(0, 3, 7, 12),
        *(0, 4, 8, 14, 20),
        *(0, 2, 5, 9),
        *(0, 3, 7, 12),
    ]


def test_template_keys_are_the_strategys_51() -> None:
    assert len(TEMPLATE_LIST) == 51
    assert set(TEMPLATES) == set(STRATEGY)
    assert len(STRATEGY) == 51


def test_template_files_hold_one_segment_each() -> None:
    assert {path.stem for path in TEMPLATE_FILES} == set(MESSAGES_BY_SEGMENT)
    for path in TEMPLATE_FILES:
        assert {row["segment_type"] for row in load(path)} == {path.stem}


@each_template
def test_template_text_is_the_strategys_word_for_word(key: str) -> None:
    assert TEMPLATES[key]["template_content"] == STRATEGY[key].content


@each_template
def test_template_subject_is_the_strategys_word_for_word(key: str) -> None:
    subject = STRATEGY[key].subject
    assert TEMPLATES[key].get("subject_line") == subject
    assert ("subject_line" in TEMPLATES[key]) == (STRATEGY[key].channel == "email")


@each_template
def test_template_position_and_title_are_the_strategys(key: str) -> None:
    template, message = TEMPLATES[key], STRATEGY[key]
    segment_type, channel, number = key.split(".")
    assert (segment_type, channel, number) == (
        template["segment_type"],
        template["channel"],
        str(template["sequence_order"]),
    )
    label = message.label or STRATEGY[f"{segment_type}.whatsapp.{number}"].label
    assert template["title"] == label
    assert label


@each_template
def test_template_keys_stand_in_reading_order(key: str) -> None:
    subject = ["subject_line"] if STRATEGY[key].channel == "email" else []
    assert list(TEMPLATES[key]) == [
        *("template_key", "channel", "segment_type", "sequence_order", "title"),
        *subject,
        *("variables", "template_content"),
    ]


@each_template
def test_template_variables_are_exactly_those_it_uses(key: str) -> None:
    template = TEMPLATES[key]
    text = f"{template.get('subject_line', '')}\n{template['template_content']}"
    assert template["variables"] == top_level_names(text)


def top_level_names(text: str) -> list[str]:
    """Names that the data must supply: a section's own, not those within it; in order, once."""
    names: list[str] = []
    open_sections: list[str] = []
    for kind, name in re.findall(r"\{\{([#^/]?)(\w+)\}\}", text):
        if kind == "/":
            assert open_sections.pop() == name
            continue
        if not open_sections and name not in names:
            names.append(name)
        if kind:
            open_sections.append(name)
    assert not open_sections
    assert not re.search(r"\{\{|\}\}", re.sub(r"\{\{[#^/]?\w+\}\}", "", text))
    return names


@pytest.mark.parametrize("path", TEMPLATE_FILES, ids=lambda path: path.stem)
def test_template_file_is_readable_text(path: Path) -> None:
    source = path.read_bytes().decode("utf-8")
    assert "\t" not in source
    assert "\r" not in source
    assert "\\u" not in source.lower()
    assert source.count("  template_content: |-\n") == len(load(path))
    assert not re.search(r" +$", source, re.MULTILINE)


# --- campaigns ---------------------------------------------------------------------------------


def test_campaigns_are_one_per_segment_with_distinct_priorities() -> None:
    assert len(load(FIXTURES / "campaigns.yaml")) == 4
    assert {s: c["priority"] for s, c in CAMPAIGNS.items()} == {
        "unclaimed_certificates": 1,
        "no_show": 2,
        "incomplete_courses": 3,
        "aida_users": 4,
    }


@each_campaign
def test_campaign_goal_is_the_strategys(segment_type: str) -> None:
    campaign = CAMPAIGNS[segment_type]
    assert campaign["description"] == parse.segments()[segment_type].goal
    assert (campaign["goal_rate"], campaign["goal_days"]) == GOALS[segment_type]
    assert campaign["description"].endswith(f"within {campaign['goal_days']} days")
    assert campaign["inactivity_days"] == INACTIVITY_DAYS[segment_type]
    assert campaign["channel_order"] == CHANNELS


@each_campaign
def test_campaign_steps_are_on_the_strategys_days(segment_type: str) -> None:
    days = parse.segments()[segment_type].days
    assert [
        (step["sequence_order"], step["delay_days"], step["channel"], step["template_id"])
        for step in CAMPAIGNS[segment_type]["steps"]
    ] == [
        (3 * turn + place, day, channel, f"{segment_type}.{channel}.{turn + 1}")
        for turn, day in enumerate(days)
        for place, channel in enumerate(CHANNELS, start=1)
    ]


@each_campaign
def test_campaign_steps_send_each_template_on_its_own_day(segment_type: str) -> None:
    steps = CAMPAIGNS[segment_type]["steps"]
    for step in steps:
        template = TEMPLATES[step["template_id"]]
        assert (template["channel"], template["segment_type"]) == (step["channel"], segment_type)
    assert {step["template_id"]: step["delay_days"] for step in steps} == {
        key: message.day
        for key, message in STRATEGY.items()
        if message.segment_type == segment_type
    }


# --- schedules ---------------------------------------------------------------------------------


def strategy_schedules() -> dict[str, tuple[str, str, str]]:
    """Read minute, hour and the task's bare name out of the strategy's beat code, by name."""
    tree = ast.parse(BEAT.read_text(encoding="utf-8"))
    (table,) = (node.value for node in tree.body if isinstance(node, ast.Assign))
    assert isinstance(table, ast.Dict)
    found = {}
    for name, entry in zip(table.keys, table.values, strict=True):
        assert isinstance(name, ast.Constant)
        assert isinstance(entry, ast.Dict)
        fields = {
            key.value: value
            for key, value in zip(entry.keys, entry.values, strict=True)
            if isinstance(key, ast.Constant)
        }
        call = fields["schedule"]
        assert isinstance(call, ast.Call)
        times = {str(arg.arg): str(ast.literal_eval(arg.value)) for arg in call.keywords}
        assert not call.args
        assert times.keys() <= {"minute", "hour"}
        task = ast.literal_eval(fields["task"]).rpartition(".")[2]
        found[str(name.value)] = (times.get("minute", "*"), times.get("hour", "*"), task)
    return found


def test_schedules_are_the_strategys_and_ours() -> None:
    theirs = strategy_schedules()
    assert len(theirs) == 6
    assert len(load(FIXTURES / "schedules.yaml")) == len(SCHEDULES) == 20
    rows = {
        name: (row["crontab"]["minute"], row["crontab"]["hour"], row["task"])
        for name, row in SCHEDULES.items()
    }
    assert rows.keys() == theirs.keys() | OUR_SCHEDULES.keys()
    assert {name: rows[name] for name in OUR_SCHEDULES} == OUR_SCHEDULES
    assert {
        name: (minute, hour, task.rpartition(".")[2])
        for name, (minute, hour, task) in rows.items()
        if name in theirs
    } == theirs


@pytest.mark.parametrize("name", sorted(SCHEDULES))
def test_schedule_row_runs_on_its_days_on_indian_time(name: str) -> None:
    row = SCHEDULES[name]
    assert list(row) == ["name", "task", "description", "crontab", "timezone"]
    assert row["timezone"] == "Asia/Kolkata"
    assert all(isinstance(value, str) for value in row["crontab"].values())
    assert {k: v for k, v in row["crontab"].items() if k not in ("minute", "hour")} == {
        "day_of_week": "1" if name == "weekly-review" else "*",
        "day_of_month": "*",
        "month_of_year": "*",
    }
    assert row["description"].endswith(".")
    assert re.fullmatch(r"(segments|campaigns|messaging)\.tasks\.[a-z_]+", row["task"])


def test_schedule_tasks_live_with_the_app_that_does_the_step() -> None:
    assert {name: SCHEDULES[name]["task"] for name in strategy_schedules()} == {
        "identify-aida-users": "segments.tasks.identify_aida_users_without_agents",
        "identify-incomplete-courses": "segments.tasks.identify_incomplete_course_users",
        "identify-unclaimed-certificates": "segments.tasks.identify_unclaimed_certificates",
        "schedule-messages": "campaigns.tasks.schedule_campaign_messages",
        "daily-analytics": "campaigns.tasks.calculate_daily_campaign_analytics",
        "cleanup-expired-segments": "segments.tasks.cleanup_expired_segments",
    }
