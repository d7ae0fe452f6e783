"""Templates as YAML: out, compared, and in; by hand and by command."""

import io
from pathlib import Path

import pytest
import yaml
from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from hypothesis import given
from hypothesis import strategies as st

from messaging import transfer, versions
from messaging.models import MessageTemplate, TemplateVersion
from messaging.transfer_file import MOST_BYTES, UnreadableError, read
from messaging.versions import ChangedMeanwhileError, RefusedError
from reengage.initial import create_missing
from tests import engine

pytestmark = pytest.mark.django_db(transaction=True)

FIXTURES = sorted((Path(settings.BASE_DIR) / "fixtures" / "templates").glob("*.yaml"))
NEW = """\
- template_key: extra.sms.1
  channel: sms
  segment_type: no_show
  sequence_order: 9
  template_content: |-
    Dr. {{last_name}}, see
    {{shortlink}} -CLIRNET
"""


def file(text: str, name: str = "texts.yaml"):
    return read(text.encode(), name)


def sms(**fields) -> MessageTemplate:
    template = engine.campaign(days=(0,), channels=("sms",)).steps.get().template
    MessageTemplate.objects.filter(pk=template.pk).update(**fields)
    template.refresh_from_db()
    return template


def states(text: str) -> dict[str, str]:
    return {entry.key: entry.state for entry in transfer.plan(file(text)).entries}


def numbers() -> set[int]:
    return set(TemplateVersion.objects.values_list("number", flat=True))


# --- Out ------------------------------------------------------------------------------------


def test_round_trip_changes_nothing():
    create_missing()
    text = transfer.export(MessageTemplate.objects.all())
    found = transfer.plan(file(text))
    assert {entry.state for entry in found.entries} == {"same"}
    assert len(found.entries) == MessageTemplate.objects.count() == 51
    transfer.apply(file(text), found.seen, None)
    assert numbers() == {1}


def test_round_trip_into_an_empty_database_makes_the_same_templates():
    create_missing()
    before = {t.template_key: versions.content_of(t) for t in MessageTemplate.objects.all()}
    text = transfer.export(MessageTemplate.objects.all())
    MessageTemplate.objects.all().update(
        template_content="x {{shortlink}}", subject_line=None, title="x"
    )
    transfer.apply(file(text), transfer.plan(file(text)).seen, None)
    after = {t.template_key: versions.content_of(t) for t in MessageTemplate.objects.all()}
    assert after == before


def test_fixtures_are_read_as_they_are():
    create_missing()
    for path in FIXTURES:
        assert set(states(path.read_text(encoding="utf-8")).values()) == {"same"}


def test_export_is_in_the_fixtures_shape_with_lines_as_lines():
    template = sms(defaults={"last_name": "colleague"}, dlt_template_id="1107160000000000001")
    MessageTemplate.objects.update(template_content="One {{last_name}}\n{{shortlink}} é 🎉")
    text = transfer.export(MessageTemplate.objects.all())
    assert "  template_content: |-\n    One {{last_name}}\n    {{shortlink}} é 🎉\n" in text
    (row,) = yaml.safe_load(text)
    assert row == {
        "template_key": template.template_key,
        "channel": "sms",
        "segment_type": "unclaimed_certificates",
        "sequence_order": 1,
        "title": "",
        "variables": template.variables,
        "template_content": "One {{last_name}}\n{{shortlink}} é 🎉",
        "defaults": {"last_name": "colleague"},
        "max_sms_segments": 2,
        "dlt_template_id": "1107160000000000001",
        "registered_text": "",
        "parameters": [],
    }


def test_export_keeps_what_is_not_of_the_channel_if_it_is_there():
    sms(whatsapp_name="odd")
    (row,) = yaml.safe_load(transfer.export(MessageTemplate.objects.all()))
    assert row["whatsapp_name"] == "odd"


storable = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
tricky = st.lists(
    st.sampled_from(["\n", " ", "\t", "a", ":", "- ", "#", "\r", "\x85", "\u2028", "\ufeff", "é"])
).map("".join)


@given(storable | tricky)
def test_export_of_any_text_is_read_as_the_same(text):
    template = MessageTemplate(
        template_key="k", channel="sms", segment_type="no_show", sequence_order=1, title=text,
        template_content=text, defaults={"a": text}, parameters=[text], variables=[],
    )  # fmt: skip
    (row,) = file(transfer.export([template])).rows
    assert row.problems == []
    assert (row.values["template_content"], row.values["title"]) == (text, text)
    assert (row.values["defaults"], row.values["parameters"]) == ({"a": text}, [text])


# --- Compared and in ------------------------------------------------------------------------


def test_new_template_is_made_and_signed():
    user = User.objects.create(username="asha")
    read_file = file(NEW, "../from staging.yaml")
    found = transfer.plan(read_file)
    assert (found.seen, [entry.state for entry in found.entries]) == (
        {"extra.sms.1": None},
        ["new"],
    )
    assert not MessageTemplate.objects.exists()
    transfer.apply(read_file, found.seen, user)
    made = MessageTemplate.objects.get()
    assert made.template_content == "Dr. {{last_name}}, see\n{{shortlink}} -CLIRNET"
    assert (made.variables, made.max_sms_segments) == (["last_name", "shortlink"], 2)
    signed = versions.current(made)
    assert (signed.number, signed.saved_by, signed.note) == (
        1, user, "imported from from staging.yaml",
    )  # fmt: skip


def test_changed_template_shows_its_difference_and_keeps_what_the_file_leaves_out():
    template = sms(max_sms_segments=3, title="Kept")
    text = f"- template_key: {template}\n  template_content: 'New {{{{shortlink}}}}'\n"
    (entry,) = transfer.plan(file(text)).entries
    assert (entry.state, entry.base) == ("changed", 2)
    assert [change.label for change in entry.changes] == ["text"]
    transfer.apply(file(text), {template.template_key: 2}, None)
    template.refresh_from_db()
    assert (template.template_content, template.title) == ("New {{shortlink}}", "Kept")
    assert (template.max_sms_segments, template.variables) == (3, ["shortlink"])
    assert versions.current(template).note == "imported from texts.yaml"


def test_template_saved_since_it_was_shown_is_refused_by_name_and_nothing_is_written():
    template, meera = sms(), User.objects.create(username="meera")
    text = NEW + f"- template_key: {template}\n  title: From the file\n"
    shown = transfer.plan(file(text)).seen
    MessageTemplate.objects.update(title="Meera's")
    TemplateVersion.objects.update(saved_by=meera)
    with pytest.raises(ChangedMeanwhileError) as refused:
        transfer.apply(file(text), shown, None)
    (words,) = refused.value.problems
    assert words.startswith(f"{template}: meera saved version 2 on ")
    assert MessageTemplate.objects.get().title == "Meera's"


def test_template_made_or_deleted_since_it_was_shown_is_refused():
    shown = transfer.plan(file(NEW)).seen
    transfer.apply(file(NEW), shown, None)
    with pytest.raises(ChangedMeanwhileError, match="The system saved version 1"):
        transfer.apply(file(NEW), shown, None)
    shown = transfer.plan(file(NEW)).seen
    MessageTemplate.objects.all().delete()
    with pytest.raises(ChangedMeanwhileError, match="it was deleted"):
        transfer.apply(file(NEW), shown, None)


def test_one_refused_template_keeps_the_others_out():
    text = NEW + NEW.replace("extra.sms.1", "extra.sms.2").replace("last_name", "lost_name")
    found = transfer.plan(file(text))
    assert [entry.state for entry in found.entries] == ["new", "refused"]
    (problem,) = found.entries[1].problems
    assert problem.startswith(
        "template_content (line 12 of the file): Line 1: There is no variable"
    )
    with pytest.raises(RefusedError, match="lost_name"):
        transfer.apply(file(text), found.seen, None)
    assert not MessageTemplate.objects.exists()


def test_a_template_that_is_the_same_is_not_checked_again():
    template = sms(template_content="Hello {{frist_name}} {{shortlink}}")
    assert states(transfer.export([template])) == {template.template_key: "same"}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("titel: x", "Line 8: templates have no “titel”. Did you mean title?"),
        ("title: 2026-03-04", "Line 8: title must be a text: put it in quotes."),
        ("title: yes", "Line 8: title must be a text: put it in quotes."),
        ("title: 2026-99-99", "Line 8: title cannot be read"),
        ("title: null", "Line 8: title must be a text: put it in quotes."),
        ('title: "a\\0b"', "Line 8: title must be without the character NUL."),
        ("channel: email", "Line 8: channel stands here again; first in line 2."),
        ("max_sms_segments: two", "Line 8: max_sms_segments must be a whole number."),
        ("max_sms_segments: true", "Line 8: max_sms_segments must be a whole number."),
        ("max_sms_segments: 99999", "max_sms_segments (line 8 of the file): "),
        ("defaults: [a]", "Line 8: defaults must be a mapping of names to texts."),
        ("defaults: {a: 1}", "Line 8: defaults must be a mapping of names to texts."),
        ("parameters: [1]", "Line 8: parameters must be a list of names."),
        ("title: !!python/name:os.system x", "Line 8: title cannot be read"),
        ("id: 7", "Line 8: templates have no “id”."),
        ("approval_status: approved", "Line 8: templates have no “approval_status”."),
        ("dlt_template_id: '12'", "dlt_template_id (line 8 of the file): It has digits only"),
    ],
)
def test_what_is_wrong_with_a_template_is_told_with_its_line(line, words):
    (entry,) = transfer.plan(file(f"{NEW}  {line}\n")).entries
    assert entry.state == "refused"
    assert words in " ".join(entry.problems)


def test_what_a_new_template_lacks_is_named():
    (entry,) = transfer.plan(file("- template_key: extra\n  channel: sms\n")).entries
    assert entry.problems == [
        "It is new here, so it needs: segment_type, sequence_order, template_content."
    ]


@pytest.mark.parametrize(
    ("text", "words"), [("- title: x", "It has no template_key."), ("- x", "It is not a template")]
)
def test_what_is_no_template_is_refused(text, words):
    (entry,) = transfer.plan(file(text)).entries
    assert (entry.state, entry.line) == ("refused", 1)
    assert words in entry.problems[0]


def test_a_key_that_stands_twice_is_refused():
    found = transfer.plan(file(NEW + NEW)).entries
    assert [entry.state for entry in found] == ["new", "refused"]
    assert found[1].problems == ["It stands twice in the file, first in line 1."]


def test_a_template_of_another_channel_here_is_refused():
    template = sms()
    (entry,) = transfer.plan(file(f"- template_key: {template}\n  channel: email\n")).entries
    assert entry.problems[0].startswith(
        "channel (line 2 of the file): it is “sms” here and “email” in the file."
    )


BOMB = "".join(f"- &a{n} [{', '.join([f'*a{n - 1}'] * 9) if n else 'x'}]\n" for n in range(9))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "The file is not a list of templates"),
        (b"template_key: x", "The file is not a list of templates"),
        (b"[]", "The file is not a list of templates"),
        (b"- a\n- b: [\n", "Line 3: this is not YAML"),
        (b"- a\n--- \n- b\n", "Line 2: this is not YAML"),
        (b"- title: '\x07'", "this is not YAML"),
        ("- title: é".encode("latin-1"), "Line 1: the file is not in UTF-8."),
        (BOMB.encode(), "Line 2: references (*name) are not read"),
        (b"- " * 5_000 + b"x", "Line 1: this is more than a list of templates."),
        (b"[" * 100_000, "Line 1: this is more than a list of templates."),
        (b"- x\n" * 501, "The file has 501 templates; at most 500 are read."),
        (b"- [x, y]\n" * 90_000, "this is more than a list of templates."),
        (b"#" * (MOST_BYTES + 1), "at most 2 MB are read."),
    ],
)
def test_what_can_not_be_read_is_told_in_words(data, words):
    with pytest.raises(UnreadableError) as refused:
        read(data, "x.yaml")
    assert words in str(refused.value)


def test_a_byte_order_mark_does_no_harm():
    assert read(b"\xef\xbb\xbf" + NEW.encode(), "x.yaml").rows[0].key == "extra.sms.1"


# --- By command -----------------------------------------------------------------------------


def run(*args: str) -> tuple[int, str]:
    out = io.StringIO()
    try:
        call_command(*args, stdout=out)
    except SystemExit as end:
        return int(end.code or 0), out.getvalue()
    except CommandError as error:
        return error.returncode, f"{out.getvalue()}{error}"
    return 0, out.getvalue()


def test_commands_move_templates(tmp_path):
    template = sms()
    code, text = run("export_templates", template.template_key)
    path = tmp_path / "texts.yaml"
    path.write_text(text, encoding="utf-8")
    assert (code, run("import_templates", str(path))) == (
        0,
        (0, "New: 0, changed: 0, the same: 1.\n"),
    )
    path.write_text(text.replace("Dr. ", "Doctor ") + NEW, encoding="utf-8")
    code, shown = run("import_templates", str(path))
    assert code == 1
    assert "- Dr. {{last_name}}" in shown
    assert "+ Doctor {{last_name}}" in shown
    assert "New: 1, changed: 1, the same: 0." in shown
    assert numbers() == {1}
    assert run("import_templates", str(path), "--apply")[0] == 0
    assert run("import_templates", str(path), "--apply")[0] == 0
    assert TemplateVersion.objects.filter(note="imported from texts.yaml").count() == 2
    assert run("import_templates", str(path))[0] == 0


def test_command_exports_all_where_none_is_named():
    create_missing()
    assert len(yaml.safe_load(run("export_templates")[1])) == 51


def test_command_refuses_an_unknown_key():
    sms()
    assert run("export_templates", "nothing.1") == (1, "There is no template nothing.1.")


def test_command_ends_with_two_where_something_is_refused(tmp_path):
    path = tmp_path / "texts.yaml"
    path.write_text(NEW.replace("last_name", "lost_name"))
    for arguments in ([], ["--apply"]):
        code, shown = run("import_templates", str(path), *arguments)
        assert code == 2
        assert "There is no variable {{lost_name}}" in shown
        assert "1 template is refused: nothing was written." in shown
    assert not MessageTemplate.objects.exists()


def test_command_ends_with_two_where_the_file_can_not_be_read(tmp_path):
    code, words = run("import_templates", str(tmp_path / "none.yaml"))
    assert code == 2
    assert "No such file" in words
