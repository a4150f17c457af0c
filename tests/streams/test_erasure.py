"""Erasing a pupil and deleting what is old: looked for in every column of every table, and in every message on Kafka.

What is it: what somebody who has a copy of the database and of Kafka still finds. When does it matter: a request for
erasure, and every month when six years are over. How to resolve: the same command again; it names what is left where.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from datetime import date, timedelta
from typing import Any

import pytest

import schemas
from connectors.topic_contents import messages
from rollcall.domain.pupil_aliases import merge
from schemas import topics, wire
from schemas.registry import Registry
from sinks import erasure, reference
from sinks.reconcile import reconcile
from streams.archiving import Archiver
from streams.erasing import mask_quarantine, reasserted
from tests.mortal import Killed, Mortal
from tests.reference.conftest import TAKEN, applied, pupil
from tests.streams.messages import URN, Here, at, evidence, mark, page, record, register
from tests.streams.rig import PATIENCE_S, Rig
from tests.streams.test_aliases import published
from tests.streams.town import UNKNOWN, pupil_id, roster_of

#: Nothing else in any message or table looks like it.
GONE = "erasable-pupil-31"
ROSTERS = "reference.roster.v1"
TOPICS = [topic.name for topic in topics.TOPICS]


def with_the_pupil(rig: Rig, **facts: Any) -> None:
    """The roster of URN has GONE, who left in the summer unless said otherwise; Kafka has that roster too."""
    left = {"last_day": date(2026, 7, 20), **facts}
    said = roster_of(URN, pupil(f"mis:{GONE}", **left), taken_at=TAKEN + timedelta(days=1))
    reference.apply(rig.client, [applied("roster", said)], {})
    value = wire.encode(schemas.parsed(ROSTERS), rig.ids[ROSTERS], said)
    rig.send_raw((ROSTERS, str(URN).encode(), value))


def send_all(rig: Rig) -> None:
    """Every way in which a pupil can stand somewhere: accepted, repeated, beside something refused, signed in."""
    first = register(mark(GONE, "/"), mark("P1", "/"))
    rig.done(first)
    rig.done(
        register(mark(GONE, "/"), mark("P1", "/"), submitted_at=at(10)),
        register(mark(GONE, "L", 5), mark(UNKNOWN, "/"), mark("P2", "N"), submitted_at=at(20)),
        page(record("r-31", GONE, "I"), record("r-1", "P1", "/"), taken_at=at(30)),
        page(record("r-31", GONE, "I"), record("r-1", "P1", "/"), taken_at=at(40)),
        evidence(GONE, "L", event_at=at(25), submission_id="signed-in"),
    )


def everywhere(rig: Rig, *texts: str) -> dict[str, int]:
    """Rows of every table that hold one of the texts in any column, bytes included."""
    tables = rig.client.query(
        "SELECT name FROM system.tables WHERE database = currentDatabase() AND endsWith(engine, 'MergeTree')"
    ).result_rows
    found = {}
    for (table,) in tables:
        condition = " OR ".join(f"position(toString(tuple(*)), '{text}') > 0" for text in texts)
        rows = rig.client.query(f"SELECT count() FROM `{table}` WHERE {condition}").result_rows[0][0]
        if rows:
            found[table] = rows
    return found


def on_kafka(rig: Rig) -> dict[str, list[bytes]]:
    """Topic -> values of the messages of URN that hold the pupil's reference."""
    found = {topic: [value for value in of_the_school(rig, topic) if GONE.encode() in value] for topic in TOPICS}
    return {topic: values for topic, values in found.items() if values}


def of_the_school(rig: Rig, topic: str) -> list[bytes]:
    """Values of all messages of URN on a topic, in their order."""
    return [one.value() or b"" for one in messages(rig.settings, topic) if one.key() == str(URN).encode()]


def command(rig: Rig, *said: str) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ, "ROLLCALL_HOME": str(rig.home), "ROLLCALL_CLICKHOUSE__DATABASE": rig.database,
        "ROLLCALL_WORKER__GROUP": rig.settings.worker.group, "ROLLCALL_ARCHIVE__GROUP": rig.settings.archive.group,
    }  # fmt: skip
    return subprocess.run(
        [sys.executable, "-m", "rollcall.cli", *said], env=environment, capture_output=True, text=True,
        timeout=PATIENCE_S, check=False,
    )  # fmt: skip


def test_nothing_of_an_erased_pupil_is_left_anywhere_and_everything_stays_accounted_for(rig: Rig) -> None:
    with_the_pupil(rig)
    who = pupil_id(GONE)
    with rig.worker():
        send_all(rig)
        Archiver(rig.settings, rig.client).run(once=True)
        before = reconcile(rig.client, rig.group)
        keys = [str(one) for one in reasserted(rig.client, who)]
        traces = (GONE, str(who), *keys)
        held = everywhere(rig, *traces)
        assert {"mark_event", "mark_assertion", "mark_current", "crosswalk", "enrolment", "quarantine_message"} <= set(
            held
        )
        assert {"register_receipt", "message_archive"} <= set(held)
        others = rig.client.query("SELECT count(), sum(is_rewritten) FROM messages_archived").first_row
        assert rig.counts(URN)["AM", "I"] == 1
        assert {*on_kafka(rig)} == {"attendance.register.v1", "attendance.mis.v1", "attendance.evidence.v1", ROSTERS}

        done = command(rig, "erase", f"{URN}/mis/{GONE}", "--reason", "a request", "--wait", "3", "--json")
        assert done.returncode == 0, done.stderr
        said = json.loads(done.stdout)
        assert said["rows_left"] == {}
        assert set(said["messages_on_kafka"]) <= {ROSTERS}

        assert everywhere(rig, *traces) == {}
        assert rig.client.query("SELECT count(), sum(is_rewritten) FROM messages_archived").first_row == (others[0], 6)
        Archiver(rig.settings, rig.client).run(once=True)
        assert everywhere(rig, GONE) == {}
        assert rig.counts(URN) == {("AM", "/"): 1, ("AM", "N"): 1}
        after = reconcile(rig.client, rig.group)
        assert (after.gap, after.total("accepted")) == (before.gap, before.total("accepted"))
        assert rig.client.query("SELECT kind, reason FROM erasure").result_rows == [("pupil", "a request")]

        later = rig.done(register(mark(GONE, "/"), mark("P1", "/"), submitted_at=at(50)))
        assert [fate.outcome for fate in later[0]] == ["ambiguous_pupil", "unchanged"]
    rig.check()
    newest = wire.decode(schemas.parsed(ROSTERS), of_the_school(rig, ROSTERS)[-1])
    assert GONE not in str(newest)
    assert len(newest["pupils"]) == len(roster_of(URN)["pupils"])


def test_others_bytes_in_quarantine_are_whole_but_for_the_pupil(rig: Rig) -> None:
    with_the_pupil(rig)
    with rig.worker():
        (place,) = rig.send(register(mark(GONE, "L", 5), mark(UNKNOWN, "/"), mark("P2", "N")))
        rig.settle(place)
    with Registry(rig.settings.registry.url) as registry:
        for _ in range(2):  # again: nothing more to do
            mask_quarantine(rig.client, registry, {URN: {("mis", GONE)}})
    rows = rig.client.query(
        "SELECT base64Encode(value) FROM quarantine_message WHERE offset = {o:UInt64}", parameters={"o": place.offset}
    ).result_rows
    assert len(rows) == 1
    marks = wire.decode(schemas.parsed(place.topic), base64.b64decode(rows[0][0]))["marks"]
    assert [(one["pupil_ref"], one["code"]) for one in marks] == [("erased", "L"), (UNKNOWN, "/"), ("P2", "N")]


def test_what_stays_on_kafka_is_not_archived_later_and_nothing_is_cut_that_is_not_archived(rig: Rig) -> None:
    with_the_pupil(rig)
    with rig.worker():
        rig.done(register(mark(GONE, "/"), mark("P1", "/")))
        Archiver(rig.settings, rig.client).run(once=True)
        rig.done(register(mark(GONE, "I"), mark("P2", "/"), submitted_at=at(10)))
        refused = command(rig, "erase", f"{URN}/mis/{GONE}", "--reason", "a request", "--wait", "2")
        assert (refused.returncode, "1 messages about the pupil are not archived yet" in refused.stderr) == (2, True)
        done = command(rig, "erase", f"{URN}/mis/{GONE}", "--reason", "a request", "--wait", "2", "--keep-kafka")
        assert done.returncode == 0, done.stdout + done.stderr
    assert any(GONE.encode() in value for value in of_the_school(rig, "attendance.register.v1"))
    Archiver(rig.settings, rig.client).run(once=True)
    assert everywhere(rig, GONE) == {}


def test_a_pupil_on_roll_or_with_messages_not_taken_in_is_not_erased(rig: Rig) -> None:
    with_the_pupil(rig, last_day=None)
    refused = command(rig, "erase", f"{URN}/mis/{GONE}", "--reason", "a request")
    assert (refused.returncode, f"on roll today at {URN}" in refused.stderr) == (2, True)
    rig.send(register(mark(GONE, "/")))
    refused = command(rig, "erase", str(pupil_id(GONE)), "--reason", "a request", "--although-on-roll")
    assert (refused.returncode, "not taken in yet" in refused.stderr) == (2, True)
    assert GONE not in refused.stderr
    assert erasure.remains(rig.client, pupil_id(GONE), {URN: {("mis", GONE)}}).keys() >= {"crosswalk", "enrolment"}


def test_a_pupil_under_two_numbers_is_erased_under_both(rig: Rig) -> None:
    with_the_pupil(rig)
    both = [pupil_id(GONE), pupil_id("P9")]
    with rig.worker():
        rig.done(register(mark(GONE, "/"), mark("P1", "/")), page(record("r9", "P9", "L"), taken_at=at(5)))
        published(rig, both[0], merge(both[1]))
        assert rig.counts(URN)["AM", "L"] == 1
        assert erasure.numbers(rig.client, both[1]) == both[::-1]
        done = command(rig, "erase", f"{URN}/mis/{GONE}", "--reason", "a request", "--although-on-roll", "--wait", "2")
        assert done.returncode == 0, done.stdout + done.stderr
        assert everywhere(rig, GONE, *map(str, both)) == {}
        assert rig.counts(URN) == {("AM", "/"): 1}
    rig.check()


def test_an_erasure_that_was_killed_anywhere_is_finished_by_the_next(rig: Rig) -> None:
    refs = [f"P{number}" for number in range(8)]
    with rig.worker():
        rig.done(register(*(mark(ref, "/") for ref in refs), submitted_at=at(0)))
        rig.done(register(*(mark(ref, "/") for ref in refs), submitted_at=at(5)))
        rig.done(page(*(record(f"r{ref}", ref, "N") for ref in refs), taken_at=at(10)))
    before = reconcile(rig.client, rig.group)

    for statements, ref in zip((0, 2, 4, 6, 8, 10), refs, strict=False):
        who = pupil_id(ref)
        named = erasure.names(rig.client, who)
        with pytest.raises(Killed):
            erasure.erase(Mortal(rig.client, statements), who, named, reasserted(rig.client, who))  # type: ignore[arg-type]
        erasure.erase(rig.client, who, erasure.names(rig.client, who), reasserted(rig.client, who))
        assert erasure.remains(rig.client, who, named) == {}
    assert rig.counts(Here.urn)["AM", "/"] == 2
    after = reconcile(rig.client, rig.group)
    assert (after.gap, after.total("accepted")) == (before.gap, before.total("accepted"))
    rig.check()
