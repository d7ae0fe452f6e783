"""What one doctor would get of a text that is not saved."""

from datetime import timedelta
from typing import Any

import pytest

from messaging import preview
from messaging.audience.members import Audience
from messaging.models import MessageDelivery, ProviderAccount, UnsubscribeRecord
from messaging.preview import LONGEST, Person, Sight, look
from messaging.validation import Draft
from messaging.whatsapp import Run, runs
from segments.models import Doctor, UserSegment
from tests import engine
from tests.engine import NOW

pytestmark = pytest.mark.django_db
SEGMENT = "unclaimed_certificates"
SMS = "Dr. {{last_name}}: {{shortlink}} -CLIRNET"


def draft(channel: str = "sms", content: str = SMS, **fields: Any) -> Draft:
    if channel == "email":
        fields.setdefault("subject", "Your certificate")
    return Draft(channel=channel, content=content, segment_type=SEGMENT, **fields)


def audience(channel: str = "sms") -> Audience:
    return Audience(SEGMENT, (channel,), NOW)


def person(**values: Any) -> Person:
    named = {"first_name": "Asha", "last_name": "Rao", "user_id": "C1"}
    return Person({**named, **values}, Doctor(first_name="Asha", last_name="Rao"))


def errors(sight: Sight) -> list[str]:
    return [finding.text for finding in sight.findings if finding.level == "error"]


# --- whom -----------------------------------------------------------------------------------


def test_doctors_are_shown_by_their_place() -> None:
    doctors = [engine.member() for _ in range(3)]
    shown = [preview.nth_doctor(audience(), place) for place in (1, 2, 3, 4, 0)]
    assert [each.doctor for each in shown] == [*doctors, doctors[2], doctors[0]]
    assert [(each.place, each.count) for each in shown] == [(1, 3), (2, 3), (3, 3), (3, 3), (1, 3)]
    assert shown[1].variables["last_name"] == doctors[1].last_name


def test_doctor_who_left_the_channel_is_not_among_them() -> None:
    left, stays = engine.member(), engine.member()
    UnsubscribeRecord.objects.create(doctor=left, channel="sms")
    assert preview.nth_doctor(audience(), 1).doctor == stays
    assert preview.nth_doctor(audience("email"), 1).doctor == left


def test_chosen_doctor_is_counted_when_asked() -> None:
    _, second, _ = (engine.member() for _ in range(3))
    quick = preview.chosen_doctor(audience(), second.pk)
    counted = preview.chosen_doctor(audience(), second.pk, is_counted=True)
    assert (quick.doctor, quick.place, quick.count) == (second, None, None)
    assert (counted.doctor, counted.place, counted.count) == (second, 2, 3)


def test_doctor_who_is_not_in_the_segment_is_not_shown() -> None:
    first, stranger = engine.member(), engine.doctor(last_name="Secret")
    shown = preview.chosen_doctor(audience(), stranger.pk)
    assert (shown.doctor, shown.place) == (first, 1)
    assert shown.note.startswith("The doctor chosen is not in this segment")
    assert "Secret" not in str(shown.as_json())


def test_examples_stand_in_where_nobody_is_in_the_segment() -> None:
    gone = engine.member()
    UserSegment.objects.update(expires_at=NOW - timedelta(seconds=1))
    for shown in (preview.nth_doctor(audience(), 1), preview.chosen_doctor(audience(), gone.pk)):
        assert shown.doctor is None
        assert shown.note.startswith("Nobody is in this segment now.")
        assert shown.variables["last_name"] == "Rao"
        assert "Dr. Rao: " in look(draft(), shown, NOW).parts["text"]


# --- what -----------------------------------------------------------------------------------


def test_preview_changes_nothing() -> None:
    engine.member()
    before = list(UserSegment.objects.values()), ProviderAccount.objects.count()
    look(draft(), preview.nth_doctor(audience(), 1), NOW)
    after = list(UserSegment.objects.values()), ProviderAccount.objects.count()
    assert before == after
    assert not MessageDelivery.objects.exists()


def test_sms_is_shown_with_its_footer_and_size() -> None:
    parts = look(draft(), person(), NOW).parts
    assert parts["text"].startswith("Dr. Rao: http")
    assert "/u/preview-of-a-test-link" in parts["text"]
    assert (parts["encoding"], parts["segments"], parts["room"]) == ("GSM-7", 1, 160)
    assert parts["units"] == len(parts["text"])
    assert parts["forcing"] == []


def test_sms_names_what_forces_ucs_2_and_where_it_is_from() -> None:
    parts = look(draft(content=f"✓ 漢 {SMS}"), person(last_name="Ōe"), NOW).parts
    assert parts["encoding"] == "UCS-2"
    assert [(f["char"], f["plain"], f["is_typed"]) for f in parts["forcing"]] == [
        ("✓", "-", True),
        ("漢", None, True),
        ("Ō", "O", False),
    ]


def test_price_is_that_of_the_account_times_the_sms() -> None:
    assert look(draft(), person(), NOW).parts["price"].startswith("No price is set")
    ProviderAccount.objects.create(channel="sms", provider="sandbox", price_per_message="0.1500")
    long = draft(content=SMS + " x" * 60)
    assert look(long, person(), NOW).parts["price"] == "About ₹0.3 for one doctor: 2 x ₹0.15."


def test_email_is_shown_in_all_its_parts() -> None:
    text = "Dear Dr. {{first_name}},\n\nYour paper waits.\n\n[Get it →] {{shortlink}}"
    own = draft("email", text, subject="For {{last_name}}", preheader="Only for {{first_name}}")
    parts = look(own, person(), NOW).parts
    assert (parts["subject"], parts["preheader"]) == ("For Rao", "Only for Asha")
    assert "Dear Dr. Asha," in parts["text"]
    assert "Dear Dr. Asha," in parts["html"]
    assert 4000 < parts["bytes"] < 102_000
    assert look(draft("email", text), person(), NOW).parts["preheader"] == "Your paper waits."


def test_email_can_load_nothing() -> None:
    html = look(draft("email", "Hi\n\n[Go →] {{shortlink}}"), person(), NOW).parts["html"]
    assert html.startswith(
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\''
    )
    assert "/o/" not in html


def test_missing_value_is_told_with_whose_message_is_skipped() -> None:
    content = f"{SMS} {{{{specialty}}}}"
    sight = look(draft(content=content), person(specialty=" "), NOW)
    assert sight.missing == ["specialty"]
    said = preview.verdict(person(), sight)
    assert said.startswith("Dr. Asha Rao () would be skipped: no value for {{specialty}}.")


def test_default_stands_in_and_is_told() -> None:
    content = f"{SMS} {{{{specialty}}}}"
    with_default = draft(content=content, defaults={"specialty": "your field"})
    sight = look(with_default, person(), NOW)
    assert (sight.missing, sight.defaulted) == ([], ["specialty"])
    assert "your field" in sight.parts["text"]
    assert "{{specialty}}: your default stands in" in preview.verdict(person(), sight)
    has_one = look(with_default, person(specialty="Cardiology"), NOW)
    assert (has_one.defaulted, preview.verdict(person(), has_one)) == ([], "")


def test_unknown_variable_is_an_error_and_no_case_for_a_default() -> None:
    sight = look(draft(content=f"{SMS} {{{{frist_name}}}}"), person(), NOW)
    assert errors(sight) == ["There is no variable {{frist_name}}."]
    assert preview.verdict(person(), sight) == ""


@pytest.mark.parametrize("channel", ["sms", "whatsapp", "email"])
@pytest.mark.parametrize("text", ["{{#a}} {{shortlink}}", "{{{last_name}}}", "{{"])
def test_broken_text_has_errors_and_no_parts(channel: str, text: str) -> None:
    sight = look(draft(channel, text), person(), NOW)
    assert errors(sight)
    assert sight.parts == {}


def test_defaults_that_are_no_pairs_are_an_error_and_not_a_crash() -> None:
    for defaults in ([1], "x", 7, {"specialty": 3}, {"specialty": {"a": []}}):
        sight = look(draft(defaults=defaults), person(), NOW)
        assert errors(sight), defaults
        assert sight.parts["text"].startswith("Dr. Rao")


def test_huge_text_is_not_rendered() -> None:
    sight = look(draft(content="x" * (LONGEST + 1)), person(), NOW)
    assert errors(sight) == [f"The text has more than {LONGEST:,} characters."]
    assert sight.parts == {}


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", "{{user_id}}", "*x*](http://e.x)"])
@pytest.mark.parametrize("channel", ["sms", "whatsapp", "email"])
def test_hostile_name_stays_a_text(channel: str, name: str) -> None:
    content = "Dear Dr. {{last_name}},\n\n[Go →] {{shortlink}}" if channel == "email" else SMS
    parts = look(draft(channel, content), person(last_name=name), NOW).parts
    if channel == "whatsapp":
        marks = name.replace("*", "")
        assert marks in "".join(run["text"] for run in parts["runs"]).replace("*", "")
    else:
        assert name in parts["text"]
    assert "<script>" not in parts.get("html", "")
    assert "http://e.x" not in str(parts.get("html", "")).partition('href="')[2][:20]


# --- WhatsApp -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Dear *Dr. Rao*, hi", [("Dear ", ()), ("Dr. Rao", ("bold",)), (", hi", ())]),
        ("_a_ ~b~", [("a", ("italic",)), (" ", ()), ("b", ("strike",))]),
        ("*_a_ b*", [("a", ("bold", "italic")), (" b", ("bold",))]),
        ("```a *b*\nc```", [("a *b*\nc", ("mono",))]),
        ("`a_b_`", [("a_b_", ("mono",))]),
        ("2*3*4 and a_b_c", [("2*3*4 and a_b_c", ())]),
        ("* a * and *a\nb*", [("* a * and *a\nb*", ())]),
        ("https://x.example/r/a_b_c.", [("https://x.example/r/a_b_c", ("link",)), (".", ())]),
        ("", []),
    ],
)
def test_whatsapp_text_is_cut_into_runs(text: str, shown: list[Any]) -> None:
    assert runs(text) == [Run(*each) for each in shown]


def test_whatsapp_text_of_stars_alone_does_not_take_long() -> None:
    text = "*a " * 1300
    assert "".join(run.text for run in runs(text)) == text
    assert runs("*a* " * 2000) == [Run("*a* " * 2000, ())]


def test_whatsapp_length_is_of_what_goes_out() -> None:
    parts = look(draft("whatsapp", "*Dr. {{last_name}}* {{shortlink}}"), person(), NOW).parts
    assert parts["runs"][0] == {"text": "Dr. Rao", "styles": ("bold",)}
    assert parts["length"] == sum(len(run["text"]) for run in parts["runs"]) + 2
    assert parts["limit"] == 1024
