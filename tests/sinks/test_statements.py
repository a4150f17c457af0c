"""SQL by name, and a file's statements one by one."""

from __future__ import annotations

import pytest

from sinks.statements import load, split


def test_statements_end_at_semicolons() -> None:
    assert split("SELECT 1; SELECT 2;\n\n;") == ["SELECT 1", "SELECT 2"]


def test_a_semicolon_in_quotes_is_text() -> None:
    text = "SELECT 'a;b', \"c;d\", `e;f`; SELECT 'it''s; one', 'a \\' b;'"
    assert split(text) == ["SELECT 'a;b', \"c;d\", `e;f`", "SELECT 'it''s; one', 'a \\' b;'"]


def test_comments_are_left_out_and_their_quotes_open_nothing() -> None:
    text = "-- a school's data; not a statement\nSELECT 1 /* it's; */ + 2; -- the end"
    assert split(text) == ["SELECT 1   + 2"]


def test_a_comment_sign_in_quotes_is_text() -> None:
    assert split("SELECT '--', '/*'; SELECT 2") == ["SELECT '--', '/*'", "SELECT 2"]


@pytest.mark.parametrize("text", ["SELECT 'open", "SELECT `open", "SELECT 1 /* open"])
def test_what_is_left_open_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not closed"):
        split(text)


def test_a_name_without_a_file_is_an_error() -> None:
    with pytest.raises(FileNotFoundError):
        load("there_is_no_such_query")
