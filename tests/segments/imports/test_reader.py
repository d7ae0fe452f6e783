"""What a file may be written in, and what is told about one that cannot be read."""

import codecs
import zipfile
from datetime import date, datetime

import pytest

from segments.imports import encoding, kinds, xlsx
from segments.imports.encoding import detect_encoding
from segments.imports.header import ImportFileError, match_header
from segments.imports.reader import BLOCK_ROWS, read_table
from segments.imports.xlsx import cell_text
from tests.segments.imports.files import csv_text, doctor_row, write, write_xlsx

DOCTORS = kinds.KINDS["doctors"]
ANITA = doctor_row(1, first_name="José")
WHEN = datetime(2026, 1, 31, 10, 30)  # noqa: DTZ001  spreadsheets have no zones
HEADER = "doctor_id,first_name,last_name\n"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "doctors.csv"


def read(path):
    """All rows of a file of doctors, with their lines; nothing else may be wrong."""
    table = read_table(path, DOCTORS)
    rows = []
    for block in table.blocks:
        assert block.broken == []
        rows += zip(block.lines, block.rows, strict=True)
    return table.columns, rows


def refusal(path):
    """What is told about a file of doctors that cannot be read."""
    with pytest.raises(ImportFileError) as caught:
        read(path)
    return str(caught.value)


# --- Encoding


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"plain", "utf-8-sig"),
        ("José".encode(), "utf-8-sig"),
        (codecs.BOM_UTF8 + "José".encode(), "utf-8-sig"),
        ("José – Müller".encode("cp1252"), "cp1252"),
        (b"", "utf-8-sig"),
    ],
)
def test_encoding_is_found(path, content, expected):
    assert detect_encoding(write(path, content)) == expected


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "cp1252"])
def test_file_in_any_usual_encoding_gives_the_same_rows(path, codec):
    write(path, csv_text(ANITA).encode(codec))
    columns, rows = read(path)
    assert columns == list(ANITA)
    assert rows == [(2, list(ANITA.values()))]


@pytest.mark.parametrize("codec", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf_16_is_refused(path, codec):
    write(path, csv_text(ANITA).encode(codec))
    assert "UTF-16: save it as “CSV UTF-8”" in refusal(path)


def test_letter_split_between_two_pieces_is_one_letter(path, monkeypatch):
    monkeypatch.setattr(encoding, "CHUNK", 5)
    assert detect_encoding(write(path, "abcdéfghij\n")) == "utf-8-sig"


def test_file_that_is_half_utf_8_is_refused(path):
    write(path, (HEADER + "1,José,Rao\n").encode() + "2,Müller,Rao\n".encode("cp1252"))
    assert "UTF-8 in some places" in refusal(path)


def test_file_cut_within_a_letter_is_refused(path):
    write(path, (HEADER + "1,José,Müller,é").encode()[:-1])
    assert "is damaged" in refusal(path)


def test_file_in_an_unknown_encoding_is_refused(path):
    write(path, HEADER.encode() + b"1,\x81\xe9,x\n")
    assert "neither in UTF-8 nor in Windows-1252" in refusal(path)


@pytest.mark.parametrize(
    ("start", "words"),
    [
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "old or password-protected Excel"),
        (b"%PDF-1.7", "PDF"),
        (b"\x1f\x8b\x08", "gzip"),
    ],
)
def test_file_of_another_program_is_refused_by_name(path, start, words):
    assert words in refusal(write(path, start + b"\n" * 10))


# --- Lines


def test_line_without_end_is_refused_without_reading_it(path, monkeypatch):
    monkeypatch.setattr(encoding, "MAX_LINE", 100_000)
    with path.open("wb") as file:
        file.write(HEADER.encode() + b"d1,Anita,Rao\nd2,")
        file.write(b"x" * 5_000_000)
    read_bytes = []
    original = encoding._chunks

    def counted(path):
        for chunk in original(path):
            read_bytes.append(len(chunk))
            yield chunk

    monkeypatch.setattr(encoding, "_chunks", counted)
    assert "Line 3 has more than 100,000 characters" in refusal(path)
    assert sum(read_bytes) <= 300_000


def test_long_lines_within_the_limit_are_read(path, monkeypatch):
    monkeypatch.setattr(encoding, "MAX_LINE", 1000)
    row = doctor_row(1, first_name="x" * 900)
    write(path, csv_text(row, *[row] * 20))
    assert len(read(path)[1]) == 21


def test_old_line_ends_are_read(path):
    write(path, f"{HEADER}d1,Anita,Rao\nd2,Meera,Iyer\n".replace("\n", "\r"))
    assert [line for line, _ in read(path)[1]] == [2, 3]


def test_lines_are_counted_over_texts_of_several_lines(path):
    write(path, f'{HEADER}d1,"Anita\nDevi\r\nKumari",Rao\n\nd2,Meera,Iyer\n')
    _, rows = read(path)
    assert [(line, row[:1]) for line, row in rows] == [(2, ["d1"]), (5, []), (6, ["d2"])]


def test_lines_are_counted_over_blocks(path):
    rows = [doctor_row(n) for n in range(2 * BLOCK_ROWS + 5)]
    write(path, csv_text(*rows))
    assert [line for line, _ in read(path)[1]] == list(range(2, len(rows) + 2))


def test_quotation_mark_that_is_never_closed_is_refused(path):
    write(path, f'{HEADER}d1,"Anita,Rao\n' + "d2,Meera,Iyer\n" * 20)
    assert "Line 2: a quotation mark is opened and not closed" in refusal(path)


def test_row_with_wrong_quotation_marks_is_told_and_others_are_read(path):
    write(path, f'{HEADER}d1,"Anita" Devi,Rao\nd2,Meera,Iyer\n')
    blocks = list(read_table(path, DOCTORS).blocks)
    assert [line for block in blocks for line, _ in block.broken] == [2]
    assert [row for block in blocks for row in block.rows] == [["d2", "Meera", "Iyer"]]
    assert [line for block in blocks for line in block.lines] == [3]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_delimiter_is_found(path, delimiter):
    write(path, csv_text(ANITA, delimiter=delimiter))
    assert read(path)[1] == [(2, list(ANITA.values()))]


# --- Header


@pytest.mark.parametrize("content", ["", "\n\n", " , ,\n", "\ufeff", "\ufeff\n"])
def test_empty_file_is_refused(path, content):
    assert refusal(write(path, content)) == "The file is empty."


def test_header_alone_is_a_file_without_rows(path):
    assert read(write(path, HEADER))[1] == []


def test_header_forgives_order_capitals_and_spaces():
    cells = [" Last Name", "DOCTOR_ID ", "\ufefffirst name", "", ""]
    assert match_header(cells, DOCTORS) == ["last_name", "doctor_id", "first_name"]


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        (["doctor_id", "name", "e-mail"], "unknown column “e-mail” (is it email?)"),
        (["doctor_id", "name", "fone", "x"], "unknown column “x”"),
        (["name"], "missing column doctor_id"),
        (["doctor_id", "email"], "missing column name (or first_name and last_name)"),
        (["doctor_id", "first_name"], "missing column name (or first_name and last_name)"),
        (["doctor_id", "name", "last_name"], "either name or first_name and last_name, not both"),
        (["doctor_id", "name", "Name"], "the column name is there twice"),
        (["doctor_id", "", "name"], "column 2 has no name"),
    ],
)
def test_wrong_header_is_refused_by_what_is_wrong(cells, words):
    with pytest.raises(ImportFileError) as caught:
        match_header(cells, DOCTORS)
    assert words in str(caught.value)
    assert "Its columns are: doctor_id, name, first_name" in str(caught.value)


def test_missing_file_is_told(tmp_path):
    assert refusal(tmp_path / "none.csv") == f"There is no file {tmp_path / 'none.csv'}."
    assert "There is no file" in refusal(tmp_path)


# --- Spreadsheets


def test_spreadsheet_gives_the_text_of_a_csv_file(tmp_path):
    path = write_xlsx(
        tmp_path / "doctors.bin",
        [
            ["doctor_id", "name", "phone", "may_be_named", "last_active_at", "location"],
            [1001, "Anita Rao", 9876543210.0, True, WHEN, None],
            [None, None, None, None, None, None],
            ["d2", "=1+1", "9876543211", False, date(2026, 1, 31)],
        ],
    )
    _, rows = read(path)
    assert rows[0] == (2, ["1001", "Anita Rao", "9876543210", "yes", "2026-01-31 10:30:00", ""])
    assert rows[-1] == (4, ["d2", "=1+1", "9876543211", "no", "2026-01-31 00:00:00", ""])


@pytest.mark.parametrize(
    ("value", "cell"),
    [(None, ""), (4.5, "4.5"), (4.0, "4"), (12, "12"), (True, "yes"), (9.88e9, "9880000000")],
)
def test_value_of_a_spreadsheet_as_text(value, cell):
    assert cell_text(value) == cell


def test_zip_that_is_no_spreadsheet_is_refused(tmp_path):
    path = tmp_path / "doctors.xlsx"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("doctors.csv", csv_text(ANITA))
    assert "no spreadsheet that can be read" in refusal(path)


def test_damaged_spreadsheet_is_refused(tmp_path):
    path = write_xlsx(tmp_path / "doctors.xlsx", [["doctor_id", "name"], ["d1", "Rao"]])
    path.write_bytes(path.read_bytes()[:-200])
    assert "no spreadsheet that can be read" in refusal(path)


def test_spreadsheet_that_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(xlsx, "MAX_UNPACKED", 1000)
    path = write_xlsx(tmp_path / "doctors.xlsx", [["doctor_id", "name"], ["d1", "Rao"]])
    assert "too large: save it as CSV" in refusal(path)


def test_empty_spreadsheet_is_refused(tmp_path):
    assert "file is empty" in refusal(write_xlsx(tmp_path / "doctors.xlsx", []))
