"""CSV files as exporters write them: shapes, encodings, separators, dates, rows out of order."""

from __future__ import annotations

import csv
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from connectors.encoding import days, milliseconds
from connectors.pupils import UpnKey
from rollcall.errors import ConfigError
from tests.connectors.contract import UPN
from tests.connectors.drops import TAKEN, Drop, table

SIMS = (
    "PersonID",
    "Surname",
    "AttendanceDate",
    "SessionName",
    "SIMS_Display_Code",
    "Statutory_Return_Code",
    "MinsLate",
)
ARBOR = next(
    csv.reader(
        [
            "APPLICATION_ID,ATTENDANCE_ROLL_CALL_RECORD_ID,ATTENDANCE_ROLL_CALL_RECORD_UNIQUE_ID,"
            "ATTENDANCE_ROLL_CALL_ID,STUDENT_ID,STUDENT_UNIQUE_ID,DATE,PERIOD,RAW_MARK,MARK_CODE,MINUTES_LATE,"
            "ACADEMIC_YEAR_NAME,IS_PRESENT"
        ]
    )
)
PLAIN = ("pupil_id", "date", "session", "code")


@pytest.fixture
def drop(tmp_path: Path) -> Drop:
    return Drop(tmp_path)


def days_of(marks: list[dict[str, Any]]) -> list[date]:
    return [date.fromordinal(date(1970, 1, 1).toordinal() + mark["session_date"]) for mark in marks]


# Shapes


def test_a_sims_export_says_the_statutory_code_where_the_school_has_national_codes(drop: Drop) -> None:
    drop.write("marks.csv", table(SIMS, ("6420", "Nobody", "2025-09-10", "AM", "9", "Y1", "4")))
    (mark,), _, _ = drop.read()
    assert mark == {
        "record_id": "2025-09-10-AM-6420",
        "pupil_ref": "6420",
        "pupil_scheme": "csvdrop",
        "session_date": days(date(2025, 9, 10)),
        "session": "AM",
        "period": None,
        "code": "Y1",
        "minutes_late": 4,
        "modified_at": None,
    }


def test_a_sims_export_says_the_display_code_where_the_school_has_codes_of_its_own(drop: Drop) -> None:
    drop.scheme = "local"
    drop.write("marks.csv", table(SIMS, ("6420", "Nobody", "2025-09-10", "AM", "9", "Y1", "")))
    assert [mark["code"] for mark in drop.read()[0]] == ["9"]


@pytest.mark.parametrize(("scheme", "only"), [("national", "SIMS_Display_Code"), ("local", "Statutory_Return_Code")])
def test_codes_of_the_other_scheme_alone_are_refused_and_never_taken_for_it(drop: Drop, scheme: str, only: str) -> None:
    drop.scheme = scheme
    drop.write("marks.csv", table(("PersonID", "AttendanceDate", "SessionName", only), ("1", "2025-09-10", "AM", "9")))
    marks, _, bad = drop.read()
    assert (marks, len(bad)) == ([], 1)
    assert "code_scheme" in drop.reason()


def test_a_missing_code_beside_one_of_the_other_scheme_is_no_withdrawal(drop: Drop) -> None:
    """A blank code withdraws a mark (rule 3); here nobody knows what was meant. Both blank, or `-`, is no mark."""
    rows = [
        (str(number), "Nobody", "2025-09-10", "AM", display, statutory, "")
        for number, (display, statutory) in enumerate([("9", ""), ("", ""), ("-", ""), ("-", "-")])
    ]
    drop.write("marks.csv", table(SIMS, *rows))
    marks, (page,), _ = drop.read()
    assert [(mark["pupil_ref"], mark["code"]) for mark in marks] == [("1", ""), ("2", ""), ("3", "-")]
    (refused,) = page.refused
    assert (
        refused.reason == "column Statutory_Return_Code: the code is missing, and SIMS_Display_Code beside it has one"
    )
    assert refused.record == {"line": 2, "last_line": 2}


@pytest.mark.parametrize(("scheme", "code"), [("national", "L"), ("local", "LB")])
def test_arbors_columns_give_the_record_the_pupil_and_the_code_of_the_scheme(
    drop: Drop, scheme: str, code: str
) -> None:
    drop.scheme = scheme
    row = ("app", "77", "app-77", "5", "123", "app-123", "2025-09-10", "PM", "LB", "L", "7", "2025/2026", "1")
    drop.write("ROLL_CALL_ATTENDANCE.csv", table(ARBOR, row))
    (mark,), _, _ = drop.read()
    assert [mark[name] for name in ("record_id", "pupil_ref", "session", "period", "code", "minutes_late")] == [
        "2025-09-10-PM-123",
        "123",
        "PM",
        None,
        code,
        7,
    ]


def test_a_file_of_two_arbor_applications_is_refused(drop: Drop) -> None:
    rows = [
        (app, "77", "x", "5", "1", "x", "2025-09-10", "PM", "/", "/", "", "2025/2026", "1") for app in ("one", "two")
    ]
    drop.write("marks.csv", table(ARBOR, *rows))
    assert drop.read()[0] == []
    assert "line 3 says another APPLICATION_ID" in drop.reason()


def test_the_columns_of_the_odata_profile_give_deletions_and_lessons_too(drop: Drop) -> None:
    headings = (
        "Id",
        "SchoolURN",
        "UPN",
        "PupilId",
        "SessionDate",
        "Session",
        "Period",
        "Mark",
        "Modified",
        "IsDeleted",
    )
    rows = [
        ("AS-1", str(drop.urn), UPN, "PUP-1", "2026-06-23", "AM", "", "L", "2026-06-23T09:02:11Z", "false"),
        ("AS-2", str(drop.urn), UPN, "", "2026-06-23", "AM", "P3", "/", "2026-06-23T09:02:11", "False"),
        ("AS-3", str(drop.urn), UPN, "PUP-1", "2026-06-23", "PM", "", "L", "", "true"),
        ("AS-4", "999999", UPN, "PUP-1", "2026-06-23", "PM", "", "L", "", "false"),
    ]
    drop.write("marks.csv", table(headings, *rows))
    (first, lesson), (page,), _ = drop.read()
    assert first["modified_at"] == milliseconds(datetime(2026, 6, 23, 9, 2, 11, tzinfo=UTC))
    assert (first["pupil_scheme"], first["pupil_ref"]) == ("csvdrop", "PUP-1")
    assert lesson["period"] == "P3"
    assert lesson["modified_at"] == milliseconds(datetime(2026, 6, 23, 8, 2, 11, tzinfo=UTC)), "London, in summer"
    key = UpnKey(b"a key that is only used in tests", "k1").reference(UPN)
    assert (lesson["pupil_scheme"], lesson["pupil_ref"]) == ("upn", key.ref)
    assert page.deletions == ["2026-06-23-PM-PUP-1"]
    assert lesson["record_id"] == f"2026-06-23-AM-P3-{key.ref}"
    assert [refused.reason for refused in page.refused] == ["column SchoolURN: it is another school's"]


def test_an_amendment_is_of_the_same_record(drop: Drop) -> None:
    drop.write("one.csv", table(PLAIN, ("1", "2025-09-10", "AM", "N")))
    before = drop.read()[0]
    drop.write("two.csv", table(PLAIN, ("1", "2025-09-10", "AM", "I")))
    assert [mark["record_id"] for mark in before + drop.read()[0]] == ["2025-09-10-AM-1"] * 2


def test_a_column_is_named_in_the_options_where_it_is_called_otherwise(tmp_path: Path) -> None:
    drop = Drop(tmp_path, **{"column.pupil": "Adno", "pupil_scheme": "mis"})
    drop.write("marks.csv", table(("Adno", "Date", "Session", "Mark"), ("004711", "2025-09-10", "AM", "/")))
    assert [(mark["pupil_scheme"], mark["pupil_ref"]) for mark in drop.read()[0]] == [("mis", "004711")]


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"colour": "red"}, "colour"),
        ({"dates": "dd.mm"}, "dates"),
        ({"encoding": "latin"}, "encoding"),
        ({"column.shoe": "Shoe"}, "column.shoe"),
        ({"complete": "yes"}, "first_day"),
        ({"names": "{when}.csv"}, "{when}"),
        ({"names": "{school}.csv; *.txt"}, "school"),
        ({"quiet_seconds": "soon"}, "quiet_seconds"),
    ],
)
def test_an_option_that_is_none_is_named(tmp_path: Path, options: dict[str, str], why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        Drop(tmp_path, **options).connector()


@pytest.mark.parametrize(
    ("headings", "why"),
    [
        (("Smith", "2025-09-10", "AM", "/"), "no column with the pupil's id or UPN"),
        (("pupil_id", "session", "code"), "no column with the date"),
        (("pupil_id", "date", "session"), "no column with the code"),
        (("pupil_id", "date", "Session Date", "session", "code"), "two of its columns say the same"),
        (("pupil_id", "shoe size"), "neither the columns of marks nor those of a roster"),
    ],
)
def test_a_first_line_that_does_not_name_what_is_needed_is_refused_without_quoting_it(
    drop: Drop, headings: tuple[str, ...], why: str
) -> None:
    drop.write("marks.csv", table(headings, ["1"] * len(headings)))
    _, _, (bad,) = drop.read()
    assert why in bad.reason
    assert "Smith" not in drop.reason()


# Encodings

TEXT = table((*PLAIN, "name"), ("1", "2025-09-10", "AM", "/", "Zoë"), ("2", "2025-09-10", "AM", "é", "Chloé – x"))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16", "utf-16-be-marked"])
def test_every_encoding_that_can_be_told_is_read(drop: Drop, encoding: str) -> None:
    content = b"\xfe\xff" + TEXT.encode("utf-16-be") if encoding == "utf-16-be-marked" else TEXT.encode(encoding)
    drop.write("marks.csv", content)
    assert [mark["code"] for mark in drop.read()[0]] == ["/", "é"]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (TEXT.encode().replace("Zoë".encode(), b"Zo\xeb"), "line 2 is not UTF-8 and line 3 is"),
        (TEXT.encode("cp1252").replace(b"Zo", b"Z\x81"), "neither UTF-8 (line 2) nor Windows-1252 (line 2)"),
        (TEXT.encode("utf-8-sig").replace("é,".encode(), b"\xe9,"), "line 3 is not UTF-8, as its byte-order mark says"),
        (TEXT.encode("utf-16")[:-1], "is not UTF-16, as its byte-order mark says"),
        (TEXT.encode("utf-16-le"), "line 1 holds a zero byte"),
        (TEXT.encode("utf-32"), "UTF-32"),
        (b"", "it is empty"),
        (b"\r\n\r\n", "nothing but empty lines"),
        (b"x" * 2_000_000, "line 1 does not end"),
    ],
    ids=["mixed", "neither", "mark and not", "half", "no mark", "utf-32", "empty", "blank", "no line"],
)
def test_what_is_in_no_encoding_that_can_be_told_is_refused_with_the_line(drop: Drop, content: bytes, why: str) -> None:
    drop.write("marks.csv", content)
    marks, _, bad = drop.read()
    assert (marks, len(bad)) == ([], 1)
    assert why in drop.reason()
    assert drop.files() == []


def test_a_character_that_is_cut_by_the_end_of_a_block_is_one_character(drop: Drop) -> None:
    """A file is looked at in blocks of a megabyte."""
    head, row = table((*PLAIN, "name")), "1,2025-09-10,AM,/,"
    rows, left = divmod((1 << 20) - 1 - len(head) - len(row), len(row) + 101)
    filler = f"{row}{'x' * 100}\n" * (rows - 1) + f"{row}{'x' * (100 + left)}\n"
    assert len(f"{head}{filler}{row}") == (1 << 20) - 1
    drop.write("whole.csv", f"{head}{filler}{row}ë\n".encode())
    assert len(drop.read()[0]) == rows + 1
    drop.write("mixed.csv", f"{head}{filler}{row}ë".encode() + b"\xe9\n")
    assert drop.read()[0] == []
    assert f"line {rows + 2} is not UTF-8 and line {rows + 2} is" in drop.reason()


def test_the_options_say_the_encoding_where_the_bytes_leave_it_open(tmp_path: Path) -> None:
    drop = Drop(tmp_path, encoding="windows-1252")
    drop.write(
        "marks.csv", table((*PLAIN, "name"), ("1", "2025-09-10", "AM", "/", "x")).encode() + "Ã©,".encode("cp1252")
    )
    assert len(drop.read()[0]) == 1


# Separators and rows


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_the_separator_is_the_one_that_the_first_line_has(drop: Drop, separator: str) -> None:
    rows = [("1", "2025-09-10", "AM", "/", "late, again; twice"), ("2", "2025-09-10", "AM", "N", 'says "no"')]
    drop.write("marks.txt", table((*PLAIN, "comment"), *rows, separator=separator))
    assert [mark["code"] for mark in drop.read()[0]] == ["/", "N"]


def test_bad_rows_are_refused_one_by_one_with_their_line_and_column_and_no_person(drop: Drop) -> None:
    text = (
        "pupil_id,date,session,code,comment\n"
        "1,2025-09-10,AM,/,\n"
        "Smith,2025-09-10,AM\n"
        '3,2025-09-10,AM,/,"over\ntwo lines"\n'
        '4,2025-09-10,AM,/,"a "wrong" quote"\n'
        "5,2025-02-30,AM,/,\n"
        "6,10/09/25,AM,/,\n"
        "\n"
        ",,,,\n"
        "7,2025-09-10,evening,/,\n"
        ",2025-09-10,AM,/,\n"
        "9,2025-09-10,PM,\\,\n"
    )
    drop.write("marks.csv", text)
    marks, (page,), bad = drop.read()
    assert [mark["pupil_ref"] for mark in marks] == ["1", "3", "9"]
    assert [(one.record["line"], one.reason) for one in page.refused] == [
        (3, "it has 3 columns, and the first line names 5"),
        (6, "a quotation mark stands where none may"),
        (7, "column date: a date cannot be read"),
        (8, "column date: a date cannot be read"),
        (11, "column session: it is neither AM nor PM"),
        (12, "column pupil_id: the pupil's id is missing"),
    ]
    assert all(one.record.keys() == {"line", "last_line"} for one in page.refused)
    assert not bad
    assert drop.files("done/marks")


def test_a_quotation_mark_that_never_closes_refuses_the_file(drop: Drop) -> None:
    """Nobody can say how many marks it hides."""
    rows = "".join(f"{number},2025-09-10,AM,/,\n" for number in range(20_000))
    drop.write("marks.csv", f'pupil_id,date,session,code,comment\n1,2025-09-10,AM,/,"open\n{rows}')
    assert drop.read()[0] == []
    assert "line 2 has a quotation mark that opens and never closes" in drop.reason()


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
def test_lines_end_as_they_do_on_every_system(drop: Drop, ends: str) -> None:
    drop.write("marks.csv", table(PLAIN, ("1", "2025-09-10", "AM", "/")).replace("\r\n", ends))
    assert len(drop.read()[0]) == 1


# Dates


def dated(*written: str) -> str:
    return table(PLAIN, *((str(number), day, "AM", "/") for number, day in enumerate(written)))


def test_the_whole_column_says_that_the_day_stands_first(drop: Drop) -> None:
    drop.write("marks.csv", dated("03/11/2025", "04/11/2025", "13/11/2025", "1/12/2025 00:00:00"))
    assert days_of(drop.read()[0]) == [date(2025, 11, 3), date(2025, 11, 4), date(2025, 11, 13), date(2025, 12, 1)]


def test_a_column_that_can_be_read_in_two_ways_is_refused_unless_the_options_say_which(tmp_path: Path) -> None:
    drop = Drop(tmp_path / "silent")
    drop.write("marks.csv", dated("03/11/2025", "04/11/2025"))
    assert drop.read()[0] == []
    assert "set dates to dd/mm/yyyy or mm/dd/yyyy" in drop.reason()
    for said, day in (("dd/mm/yyyy", date(2025, 11, 3)), ("mm/dd/yyyy", date(2025, 3, 11))):
        drop = Drop(tmp_path / said.replace("/", ""), dates=said)
        drop.write("marks.csv", dated("03/11/2025", "04/11/2025"))
        assert days_of(drop.read()[0])[0] == day


@pytest.mark.parametrize(
    ("written", "options", "why"),
    [
        (("2025-11-03", "04/11/2025"), {}, "in two ways: with the year first on line 2 and last on line 3"),
        (("25/11/2025", "11/26/2025"), {}, "in two ways: the month stands first on line 3 and second on line 2"),
        (("03/11/2025", "11/26/2025"), {}, "line 3 has its month first"),
        (("11/26/2025",), {"dates": "dd/mm/yyyy"}, "line 2 has a date that is not written dd/mm/yyyy"),
        (("26/11/2025",), {"dates": "mm/dd/yyyy"}, "line 2 has a date that is not written mm/dd/yyyy"),
        (("26/11/2025",), {"dates": "yyyy-mm-dd"}, "line 2 has a date that is not written yyyy-mm-dd"),
    ],
)
def test_dates_that_are_not_written_in_one_form_refuse_the_file(
    tmp_path: Path, written: tuple[str, ...], options: dict[str, str], why: str
) -> None:
    drop = Drop(tmp_path, **options)
    drop.write("marks.csv", dated(*written))
    marks, _, bad = drop.read()
    assert (marks, len(bad)) == ([], 1)
    assert why in drop.reason()


def test_another_column_of_the_file_may_tell_which_comes_first(drop: Drop) -> None:
    rows = [("1", "03/11/2025", "AM", "/", "25/11/2025 09:30")]
    drop.write("marks.csv", table((*PLAIN, "modified"), *rows))
    (mark,), _, _ = drop.read()
    assert days_of([mark]) == [date(2025, 11, 3)]
    assert mark["modified_at"] == milliseconds(datetime(2025, 11, 25, 9, 30, tzinfo=UTC))


def test_rule_8_the_hour_that_occurs_twice_is_the_earlier_one(drop: Drop) -> None:
    drop.write("marks.csv", table((*PLAIN, "modified"), ("1", "2025-10-24", "AM", "/", "2025-10-26 01:30:00")))
    assert drop.read()[0][0]["modified_at"] == milliseconds(datetime(2025, 10, 26, 0, 30, tzinfo=UTC))


def test_a_day_in_summer_is_the_day_it_says(drop: Drop) -> None:
    drop.write("marks.csv", dated("2025-09-10 00:00:00", "2025-11-03T00:00:00"), TAKEN)
    assert days_of(drop.read()[0]) == [date(2025, 9, 10), date(2025, 11, 3)]
