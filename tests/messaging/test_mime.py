"""Mails read back by the standard library's parser, also with hostile texts."""

import re
import uuid
from datetime import UTC, datetime, timedelta, timezone
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import format_datetime

import pytest
from django.core.exceptions import ImproperlyConfigured
from hypothesis import example, given
from hypothesis import strategies as st

from messaging.mime import Composer, Mail, UnmailableError
from messaging.providers.base import Outgoing

NOW = datetime(2026, 3, 4, 6, 30, tzinfo=UTC)
ID = uuid.UUID("0195a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b")
LINK = "https://go.example/u/T0k-en_1"
COMPOSER = Composer("CLIRNET <news@clirnet.example>")

# What a PostgreSQL text column can hold: no NUL, no half of a surrogate pair.
characters = st.characters(exclude_characters="\x00", exclude_categories=["Cs"])
pieces = st.sampled_from(
    [
        ".",
        "..",
        ". ",
        "=",
        "=20",
        "=\n",
        "\n",
        "\r\n",
        "\r",
        " ",
        "\t",
        " \n",
        "\n.\n",
        "--=_reengage",
        "🧑🏽‍⚕️",
        "שלום",
        "\u202eabc",
        "₹5–10",
        "x" * 75,
        "x" * 1200,
        "—" * 30,
        "From me",
        "\u2028",
        "\x85",
    ]
)
texts = st.lists(st.one_of(st.text(characters), pieces), max_size=12).map("".join)


def outgoing(text: str = "Dear Dr. Rao", **fields: object) -> Outgoing:
    values = {"subject": "Hello", "html": "<p>Dear Dr. Rao</p>", "unsubscribe_url": LINK}
    return Outgoing(ID, "email", "asha@example.com", text, **{**values, **fields})


def compose(*args: str, **fields: object) -> Mail:
    return COMPOSER.compose(outgoing(*args, **fields), NOW)


def parsed(mail: Mail) -> EmailMessage:
    return message_from_bytes(mail.content, policy=policy.default)


def normal(text: str) -> str:
    """As a mail can hold it: with one kind of line end."""
    return re.sub(r"\r\n|\r", "\n", text)


def contents(mail: Mail) -> list[str]:
    """The text of each part, with plain line feeds."""
    parts = list(parsed(mail).iter_parts())
    return [part.get_payload(decode=True).decode().replace("\r\n", "\n") for part in parts]


def test_mail_has_exactly_these_headers() -> None:
    mail = compose()
    assert mail.message_id == f"<{ID}@clirnet.example>"
    assert (mail.sender, mail.recipient) == ("news@clirnet.example", "asha@example.com")
    assert parsed(mail).items() == [
        ("From", "CLIRNET <news@clirnet.example>"),
        ("To", "asha@example.com"),
        ("Subject", "Hello"),
        ("Date", "Wed, 04 Mar 2026 06:30:00 +0000"),
        ("Message-ID", mail.message_id),
        ("X-Reengage-Delivery", str(ID)),
        ("List-Unsubscribe", f"<{LINK}>"),
        ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
        ("MIME-Version", "1.0"),
        ("Content-Type", 'multipart/alternative; boundary="=_reengage"'),
    ]


def test_mail_reads_like_one_of_the_standard_library() -> None:
    text, html = "Dear Dr. Rao —\n\n1 < 2 = 3 \n.\n", "<p>Dear&nbsp;Dr. Rao 🩺</p>\n"
    theirs = EmailMessage(policy=policy.SMTP)
    theirs["From"], theirs["To"] = "CLIRNET <news@clirnet.example>", "asha@example.com"
    theirs["Subject"], theirs["Date"] = "Dr. Rāo, 2 days left ⏳", format_datetime(NOW)
    theirs["Message-ID"] = f"<{ID}@clirnet.example>"
    theirs.set_content(text)
    theirs.add_alternative(html, subtype="html")
    theirs = message_from_bytes(theirs.as_bytes(), policy=policy.default)
    ours = parsed(compose(text, subject="Dr. Rāo, 2 days left ⏳", html=html))
    for name in ("From", "To", "Subject", "Date", "Message-ID", "MIME-Version"):
        assert ours[name] == theirs[name]
    assert ours.get_content_type() == theirs.get_content_type()
    for mine, other in zip(ours.iter_parts(), theirs.iter_parts(), strict=True):
        assert mine.get_content_type() == other.get_content_type()
        assert mine.get_content_charset() == other.get_content_charset()
        assert normal(mine.get_content()) == normal(other.get_content())


def test_mail_without_html_has_one_part() -> None:
    mail = parsed(compose("only words", html=""))
    assert mail.get_content_type() == "text/plain"
    assert mail.get_content() == "only words\r\n"


def test_mail_without_link_has_no_unsubscribe_header() -> None:
    mail = parsed(compose(unsubscribe_url=""))
    assert (mail["List-Unsubscribe"], mail["List-Unsubscribe-Post"]) == (None, None)


def test_date_is_in_utc_whatever_zone_it_came_in() -> None:
    kolkata = NOW.astimezone(timezone(timedelta(hours=5, minutes=30)))
    mail = COMPOSER.compose(outgoing(), kolkata)
    assert parsed(mail)["Date"] == "Wed, 04 Mar 2026 06:30:00 +0000"


@given(text=texts, html=texts.filter(bool))
@example(text="x" * 74 + " ", html="—" * 8 + "x" * 2 + "\t")
@example(text="", html=".")
def test_text_and_html_come_back_as_they_were(text: str, html: str) -> None:
    mail = compose(text, html=html)
    assert contents(mail) == [normal(text), normal(html)]
    lines = mail.content.split(b"\r\n")
    assert not any(b"\r" in line or b"\n" in line for line in lines)
    head = lines.index(b"")
    assert max(map(len, lines[:head])) <= 998
    assert max(map(len, lines[head:])) <= 76
    assert not any(line.endswith((b" ", b"\t")) for line in lines)
    assert mail.content.isascii()
    assert mail.content.endswith(b"\r\n")


@given(st.integers(0, 80), st.sampled_from([" ", "\t"]), st.sampled_from(["x", "é", "=", "🩺"]))
def test_blank_at_the_end_of_a_line_stays_within_its_76_places(
    length: int, blank: str, letter: str
) -> None:
    mail = compose(letter * length + blank + "\nnext")
    assert contents(mail)[0] == letter * length + blank + "\nnext"
    assert max(map(len, mail.content.split(b"\r\n"))) <= 76


@given(texts)
@example("=?utf-8?b?4oCU?=")
@example("word " * 60)
@example("x" * 300)
@example("ends with a blank ")
@example("x" * 69 + " y")
def test_subject_comes_back_on_one_line_and_brings_no_header(subject: str) -> None:
    mail = compose(subject=subject)
    assert parsed(mail).keys() == parsed(compose()).keys()
    expected = re.sub(r"[\x00-\x20\x7f]+", " ", subject).strip(" ")
    assert str(parsed(mail)["Subject"]) == expected
    head = mail.content.partition(b"\r\n\r\n")[0]
    assert max(map(len, head.split(b"\r\n"))) <= 90
    assert mail.content.isascii()


@pytest.mark.parametrize(
    ("subject", "line"),
    [
        ("Dr. Rao, your certificate", b"Subject: Dr. Rao, your certificate\r\n"),
        ("2 = 2 ? yes", b"Subject: 2 = 2 ? yes\r\n"),
        ("a\r\nBcc: b@example.com", b"Subject: a Bcc: b@example.com\r\n"),
        ("", b"Subject: \r\n"),
        (
            "word " * 15 + "end",
            b"Subject: " + b"word " * 13 + b"word\r\n word end\r\n",
        ),
        ("Zeit für Rāo", b"Subject: =?utf-8?b?WmVpdCBmw7xyIFLEgW8=?=\r\n"),
    ],
)
def test_subject_is_encoded_only_where_it_must_be(subject: str, line: bytes) -> None:
    assert line in compose(subject=subject).content


def test_long_subject_is_cut_between_characters() -> None:
    subject = "🩺" * 40
    words = re.findall(rb"=\?utf-8\?b\?[^?]+\?=", compose(subject=subject).content)
    assert len(words) == 5
    assert max(map(len, words)) <= 75
    alone = [message_from_bytes(b"Subject: " + w, policy=policy.default)["Subject"] for w in words]
    assert [str(word) for word in alone] == ["🩺" * 9] * 4 + ["🩺" * 4]


@pytest.mark.parametrize(
    "address",
    [
        "",
        "asha",
        "ašha@example.com",
        "asha@exämple.com",
        "asha@example.com\r\nBcc: b@example.com",
        "asha@example.com\n",
        "asha@example.com, b@example.com",
        "a b@example.com",
        "<asha@example.com>",
        "asha@example.com> SIZE=1",
        '"a\\"b"@example.com',
        "a" * 65 + "@example.com",
    ],
)
def test_address_that_may_not_stand_in_a_header_is_refused(address: str) -> None:
    message = outgoing()._replace(recipient=address)
    with pytest.raises(UnmailableError, match="e-mail address cannot be used"):
        COMPOSER.compose(message, NOW)


@pytest.mark.parametrize("address", ["o'neil+x@sub.example.co.in", "a.b-c_d@xn--exmple-cua.com"])
def test_unusual_address_goes_through(address: str) -> None:
    mail = COMPOSER.compose(outgoing()._replace(recipient=address), NOW)
    assert parsed(mail)["To"] == address


@pytest.mark.parametrize(
    "link", ["https://x/ y", "https://x/>", "https://x/\r\nBcc: b", "https://ü/"]
)
def test_link_that_may_not_stand_in_a_header_is_refused(link: str) -> None:
    with pytest.raises(UnmailableError, match="link to unsubscribe cannot be used"):
        compose(unsubscribe_url=link)


def test_half_a_surrogate_pair_is_refused() -> None:
    for fields in ({"text": "\ud83e"}, {"html": "\ud83e"}, {"subject": "\ud83e"}):
        with pytest.raises(UnmailableError, match="not a character"):
            compose(**fields)


@pytest.mark.parametrize(
    ("sender", "header"),
    [
        ("news@clirnet.example", "news@clirnet.example"),
        ("Rao, Asha <news@clirnet.example>", None),
        ('"Rao, Asha" <news@clirnet.example>', '"Rao, Asha" <news@clirnet.example>'),
        ("CLIRNET für Ärzte <news@clirnet.example>", "CLIRNET für Ärzte <news@clirnet.example>"),
        ("CLIRNET", None),
        ("CLIRNET <news@>", None),
        ("CLIRNET <nëws@clirnet.example>", None),
        ("", None),
    ],
)
def test_sender_is_written_properly_or_refused(sender: str, header: str | None) -> None:
    if header is None:
        with pytest.raises(ImproperlyConfigured, match="DEFAULT_FROM_EMAIL is"):
            Composer(sender)
    else:
        mail = Composer(sender).compose(outgoing(), NOW)
        assert str(parsed(mail)["From"]) == header
        assert mail.sender == "news@clirnet.example"
