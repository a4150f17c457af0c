"""Down to the bytes: from the archive, from Kafka, or said to be nowhere; and a figure that is wrong is called so."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import Result
from confluent_kafka import TopicPartition
from typer.testing import CliRunner

from rollcall.cli.app import build
from streams.archiving import Archiver
from tests.streams.messages import URN, at, evidence, mark, page, record, register
from tests.streams.rig import Place, Rig
from tests.streams.town import pupil_id

OF_SCHOOL = ("explain", "--date", "2025-09-10", "--school", str(URN))


@pytest.fixture(autouse=True)
def _as_the_rig(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands of these tests find the rig's stack and database."""
    monkeypatch.setenv("ROLLCALL_HOME", str(rig.home))
    monkeypatch.setenv("ROLLCALL_CLICKHOUSE__DATABASE", rig.database)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(build(), list(arguments))


def document(*arguments: str) -> dict[str, Any]:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)  # type: ignore[no-any-return]


def contents(rig: Rig, *arguments: str) -> list[Any]:
    """What is said of the message of each mark of the school."""
    marks = document(*OF_SCHOOL, "--column", "marks", "--bytes", *arguments)["marks"]
    return [one["delivery"]["message"]["content"] for one in marks]


def delete_up_to(rig: Rig, place: Place) -> None:
    """Kafka keeps nothing of the partition up to a message."""
    for answer in rig.admin.delete_records([TopicPartition(place.topic, place.partition, place.offset + 1)]).values():
        answer.result()


def test_the_bytes_come_from_kafka_then_from_the_archive_and_then_from_nowhere(rig: Rig) -> None:
    with rig.worker():
        (first,) = rig.send(register(mark("P0", "I"), mark("P1", "/"), mark("P2", "N")))
        rig.settle(first)
    found = contents(rig)
    assert [one["held_by"] for one in found] == ["kafka"] * 3
    record_of = {one["record"]["item"]["pupil_ref"]: one["record"] for one in found}
    assert {ref: one["item"]["code"] for ref, one in record_of.items()} == {"P0": "I", "P1": "/", "P2": "N"}
    assert (record_of["P0"]["lists"]["marks"], record_of["P0"]["source"]) == (3, "classroom")

    Archiver(rig.settings, rig.client).run(once=True)
    delete_up_to(rig, first)
    archived = contents(rig)
    assert [one["held_by"] for one in archived] == ["archive"] * 3
    assert [one["record"] for one in archived] == [one["record"] for one in found]
    assert [one["sha256"] for one in archived] == [one["sha256"] for one in found]

    rig.client.command("TRUNCATE TABLE message_archive")
    assert {one["missing_because"] for one in contents(rig)} == {
        "the archive does not have it, and Kafka has deleted it"
    }


def test_without_bytes_nothing_tells_a_reference_or_a_record_id(rig: Rig) -> None:
    with rig.worker():
        rig.done(page(record("record-of-the-mis", "P0", "I")), register(mark("P1", "/")), evidence("P1", "L"))
    event = document(*OF_SCHOOL, "--code", "I")["marks"][0]["event_id"]
    for arguments in (OF_SCHOOL, (*OF_SCHOOL, "--json"), ("explain", "mark", str(event), "--json")):
        said = run(*arguments)
        assert said.exit_code == 0, said.output
        assert "record-of-the-mis" not in said.output
        assert '"P0"' not in said.output
    told = document("explain", "mark", hex(event), "--date", "2025-09-10", "--bytes")
    (delivery,) = told["deliveries"]
    assert delivery["record_id"] == delivery["message"]["content"]["record"]["item"]["record_id"] == "record-of-the-mis"
    assert delivery["message"]["schema"]["name"] == "MisPage"
    assert delivery["message"]["schema"]["version"] >= 1


def test_a_deletion_is_shown_at_its_place_in_the_message(rig: Rig) -> None:
    with rig.worker():
        rig.done(page(record("a", "P0", "I"), record("b", "P1", "I")))
        rig.done(page(record("c", "P2", "/"), deletions=["a", "b"], taken_at=at(5), complete=False))
    event = rig.client.query(
        "SELECT event_id FROM mark_event FINAL WHERE pupil_id = {p:UInt64} AND deleted",
        parameters={"p": pupil_id("P1")},
    ).first_row[0]
    told = document("explain", "mark", str(event), "--bytes")
    assert [one["did"] for one in told["deliveries"]] == ["replaced", "deletes"]
    assert told["deliveries"][1]["message"]["content"]["record"]["item"] == "b"
    assert [one["rule"] for one in told["counts_now"]] == ["nothing_stands"]


def test_a_figure_that_its_marks_do_not_add_up_to_is_said_to_be_wrong(rig: Rig) -> None:
    with rig.worker():
        rig.done(register(mark("P0", "I"), mark("P1", "/")))
    assert run(*OF_SCHOOL).exit_code == 0
    rig.client.command(
        "INSERT INTO school_session SELECT * REPLACE (marks + 1 AS marks, derived_version + 1 AS derived_version)"
        " FROM school_session FINAL WHERE canonical_code = 'I'"
    )
    wrong = run(*OF_SCHOOL)
    assert wrong.exit_code == 1
    assert "The marks add up to 2, not to 3" in wrong.output


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (("explain",), "--date"),
        (("explain", "--date", "2025-09-10"), "--school"),
        ((*OF_SCHOOL, "--session", "noon"), "AM or PM"),
        ((*OF_SCHOOL, "--code", "I", "--column", "late"), "not both"),
        (("explain", "mark", "0xg"), "0xg"),
        (("explain", "mark", str(2**64)), "64 bits"),
    ],
)
def test_what_cannot_be_meant_is_refused_and_says_what(arguments: tuple[str, ...], what: str) -> None:
    refused = run(*arguments)
    assert what in str(refused.exception)
