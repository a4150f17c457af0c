"""Logs: JSON lines a machine reads, and no pupil in any of them."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from rollcall.errors import StackError
from rollcall.logging import FORBIDDEN, configure

SECRET = "A823432112345"


@pytest.fixture
def out() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    configure("info", stream)
    yield stream
    configure("error", None)


def lines(out: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_a_line_is_one_json_object_with_level_and_instant(out: io.StringIO) -> None:
    structlog.get_logger().info("batch_done", topic="attendance.mis.v1", partition=3, first=10, last=19)
    (line,) = lines(out)
    assert line.pop("at").endswith("Z")
    assert line == {
        "event": "batch_done", "level": "info", "topic": "attendance.mis.v1", "partition": 3, "first": 10, "last": 19,
    }  # fmt: skip


def test_below_the_level_nothing_is_written(out: io.StringIO) -> None:
    structlog.get_logger().debug("detail")
    assert out.getvalue() == ""


@pytest.mark.parametrize("field", sorted(FORBIDDEN))
def test_a_field_that_tells_of_a_pupil_is_withheld_at_any_depth(field: str, out: io.StringIO) -> None:
    structlog.get_logger().warning("slip", **{field: SECRET}, inner={"list": [{field.upper(): SECRET}]})
    (line,) = lines(out)
    assert SECRET not in out.getvalue()
    assert line["withheld"] == sorted({field, field.upper()})


def test_bound_fields_are_looked_at_too(out: io.StringIO) -> None:
    structlog.get_logger().bind(pupil_ref=SECRET).info("slip")
    with structlog.contextvars.bound_contextvars(upn=SECRET):
        structlog.get_logger().info("slip")
    assert SECRET not in out.getvalue()
    assert [line["withheld"] for line in lines(out)] == [["pupil_ref"], ["upn"]]


def test_bytes_of_a_message_are_withheld(out: io.StringIO) -> None:
    structlog.get_logger().info("slip", value=SECRET.encode(), values=[bytearray(SECRET.encode())])
    assert SECRET not in out.getvalue()


def test_an_object_without_a_json_form_is_named_by_type_not_quoted(out: io.StringIO) -> None:
    class Frame:
        def __repr__(self) -> str:
            return SECRET

    structlog.get_logger().info("slip", frame=Frame())
    assert lines(out)[0]["frame"] == "<Frame>"


def test_an_unknown_errors_message_is_not_kept_ours_is(out: io.StringIO) -> None:
    log = structlog.get_logger()
    try:
        raise ValueError(f"could not parse {SECRET}")
    except ValueError:
        log.exception("step_failed")
    try:
        raise StackError("port 9092 is taken")
    except StackError as error:
        log.error("start_failed", exc_info=error)
    assert SECRET not in out.getvalue()
    first, second = lines(out)
    assert first["error"] == "ValueError"
    assert "message" not in first
    assert any("test_logging.py" in place for place in first["raised_at"])
    assert second["message"] == "port 9092 is taken"


def test_a_librarys_warning_comes_without_its_arguments(out: io.StringIO) -> None:
    logging.getLogger("some.library").warning("bad value %s", SECRET)
    (line,) = lines(out)
    assert SECRET not in out.getvalue()
    assert line["logger"] == "some.library"
    assert line["template"] == "bad value %s"


def test_configuring_twice_does_not_double_lines() -> None:
    first, second = io.StringIO(), io.StringIO()
    configure("info", first)
    configure("info", second)
    logging.getLogger("some.library").warning("once")
    assert first.getvalue() == ""
    assert len(lines(second)) == 1
    configure("error", None)
