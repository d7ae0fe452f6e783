"""Versions of templates: what changed from one to another, and the way back."""

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils.timezone import localtime
from hypothesis import given
from hypothesis import strategies as st

from messaging import diff, versions
from messaging.diff import Line, Piece
from messaging.models import MessageTemplate, TemplateVersion
from messaging.versions import ChangedMeanwhileError, RefusedError
from reengage.initial import create_missing
from tests import engine

TEXT = "Dr. {{last_name}}: {{shortlink}} -CLIRNET"


def sms() -> MessageTemplate:
    return engine.campaign(days=(0,), channels=("sms",)).steps.get().template


def save(template: MessageTemplate, user: User | None = None, **fields) -> None:
    """In a transaction of its own, as a request does."""
    with transaction.atomic():
        for name, value in fields.items():
            setattr(template, name, value)
        template.save()
        TemplateVersion.objects.sign(template, user)


# --- Differences ----------------------------------------------------------------------------


def test_diff_marks_the_words_that_changed():
    assert diff.compare("Dear Dr. Rao,\nten days left", "Dear Dr. Rao,\nfive days left") == [
        Line(" ", (Piece("Dear Dr. Rao,"),)),
        Line("-", (Piece("ten", is_changed=True), Piece(" days left"))),
        Line("+", (Piece("five", is_changed=True), Piece(" days left"))),
    ]


def test_diff_shows_another_line_whole():
    marks = [
        (line.mark, [piece.is_changed for piece in line.pieces])
        for line in diff.compare("Hello doctor", "•••")
    ]
    assert marks == [("-", [False]), ("+", [False])]


def test_diff_leaves_out_what_is_far_from_a_change():
    old = "\n".join(map(str, range(20)))
    new = old.replace("10", "ten")
    assert list(diff.unified(diff.compare(old, new))) == [
        "  …", "  8", "  9", "- 10", "+ ten", "  11", "  12", "  …",
    ]  # fmt: skip


def test_diff_of_the_same_is_nothing():
    assert diff.compare("a\nb", "a\nb") == []


def test_diff_of_an_enormous_text_ends():
    lines = "\n".join(["x"] * 100_000)
    found = diff.compare(lines, lines + "\ny")
    assert len(found) == 2 * diff.MOST_LINES


texts = st.lists(st.sampled_from(["", "a", "a b", "a  b c", "b", "\r", "é"]), max_size=12)


@given(texts.map("\n".join), texts.map("\n".join))
def test_diff_has_every_line_of_both_or_a_gap(old, new):
    found = diff.compare(old, new)
    gone = [line.text for line in found if line.mark in " -"]
    came = [line.text for line in found if line.mark in " +"]
    if not any(line.mark == diff.GAP for line in found) and old != new:
        assert gone == (old.split("\n") if old else [])
        assert came == (new.split("\n") if new else [])
    assert bool(found) == (old != new)


# --- Versions -------------------------------------------------------------------------------

pytestmark = pytest.mark.django_db(transaction=True)


def test_fields_are_those_that_the_database_keeps():
    content = TemplateVersion.objects.get(template=sms()).content
    assert set(content) == set(versions.FIELDS)


def test_content_of_a_template_is_what_its_version_keeps():
    template = MessageTemplate.objects.get(pk=sms().pk)
    assert versions.content_of(template) == versions.current(template).content


def test_changes_name_fields_in_words_and_read_well():
    template = sms()
    before = versions.current(template).content
    after = {
        **before,
        "template_content": before["template_content"] + "\nBye",
        "defaults": {"specialty": "your field", "a": "b"},
        "segment_type": "no_show",
    }
    found = versions.changes(before, after)
    assert [(change.field, change.label) for change in found] == [
        ("segment_type", "segment"),
        ("template_content", "text"),
        ("defaults", "defaults"),
    ]
    assert [line.text for line in found[2].lines] == ["a: b", "specialty: your field"]
    assert versions.in_a_line(found) == "segment, text, defaults (−0 +2 lines)"
    assert [line.text for line in found[0].lines][1] != "no_show"  # its name in words


def test_changes_take_the_default_for_a_field_that_came_later():
    content = versions.current(sms()).content
    older = {name: content[name] for name in content if name != "preheader"}
    assert versions.changes(older, content) == []


def test_restore_makes_a_new_version_that_says_who_and_what():
    template, user = sms(), User.objects.create(username="asha")
    first = template.template_content
    save(template, template_content=TEXT)
    made = versions.restore(template.pk, 1, user, seen=2)
    template.refresh_from_db()
    assert template.template_content == first
    assert (made.number, made.saved_by, made.note) == (3, user, "version 1 restored")
    assert template.variables == ["last_name", "session_name", "shortlink"]
    assert versions.current(template) == made


def test_restore_of_what_it_says_already_makes_no_version():
    template = sms()
    assert versions.restore(template.pk, 1, None) is None
    assert template.versions.count() == 1


def test_restore_never_touches_what_campaigns_rely_on():
    template = sms()
    was = TemplateVersion.objects.get(template=template)
    was.content = {**was.content, "template_key": "another", "channel": "email"}
    was.save()
    save(template, template_content=TEXT)
    versions.restore(template.pk, 1, None)
    template.refresh_from_db()
    assert (template.template_key, template.channel) == (str(template), "sms")


def test_restore_of_what_is_refused_today_says_why_and_changes_nothing():
    template = sms()
    MessageTemplate.objects.update(template_content="Hello {{frist_name}} {{shortlink}}")
    MessageTemplate.objects.update(template_content=TEXT)
    with pytest.raises(RefusedError) as refused:
        versions.restore(template.pk, 2, None)
    assert refused.value.problems == [
        "Text: Line 1: There is no variable {{frist_name}}. Did you mean {{first_name}}?"
    ]
    template.refresh_from_db()
    assert (template.template_content, template.versions.count()) == (TEXT, 3)


def test_restore_decided_on_an_older_view_is_refused_with_the_name():
    template, meera = sms(), User.objects.create(username="meera", first_name="Meera")
    save(template, title="Mine")
    save(template, meera, title="Meera's")
    with pytest.raises(ChangedMeanwhileError) as refused:
        versions.restore(template.pk, 1, None, seen=2)
    (words,) = refused.value.problems
    at = f"{localtime(versions.current(template).saved_at):%d %b %Y, %H:%M}"
    assert words == f"Meera saved version 3 on {at}."
    template.refresh_from_db()
    assert template.title == "Meera's"


def test_setup_signs_its_versions_in_one_query():
    with CaptureQueriesContext(connection) as queries:
        create_missing()
    signing = [q for q in queries.captured_queries if 'UPDATE "template_versions"' in q["sql"]]
    assert len(signing) == 1
    notes = set(TemplateVersion.objects.values_list("note", "number", "saved_by"))
    assert notes == {("made by setup", 1, None)}
    create_missing()
    assert TemplateVersion.objects.count() == MessageTemplate.objects.count()


def test_sign_all_leaves_the_versions_of_other_transactions():
    template = sms()
    with transaction.atomic():
        assert versions.sign_all([template], None, "imported") == 0
    assert versions.current(template).note == ""


def test_what_a_version_says_leaves_out_what_is_of_another_channel():
    template = sms()
    labels = [label for label, _ in versions.said(versions.current(template).content)]
    assert labels == [
        "template key", "channel", "segment", "place in the sequence", "text", "SMS allowed",
    ]  # fmt: skip
