"""The archive: every message of the mark topics, once, whatever dies; and no pupil who was erased."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest
from confluent_kafka import TopicPartition

from connectors.topic_contents import messages
from rollcall.failpoints import ARCHIVE_POINTS
from sinks import archive
from sinks.places import Place
from streams.archiving import Archiver
from streams.assignment import MARK_TOPICS
from tests.streams.messages import REGISTER, URN, at, evidence, mark, page, record, register
from tests.streams.rig import PATIENCE_S, Rig
from tests.streams.rig import Place as Sent


def archive_all(rig: Rig, **options: Any) -> int:
    """As `rollcall archive run --once`."""
    return Archiver(rig.settings, rig.client, **options).run(once=True)


def on_kafka(rig: Rig) -> dict[Place, bytes | None]:
    """Every message of the mark topics, by its place."""
    return {
        Place(rig.topics[topic].uuid, one.partition() or 0, one.offset() or 0): one.value()  # type: ignore[misc]
        for topic in MARK_TOPICS
        for one in messages(rig.settings, topic)
    }


def archived(rig: Rig) -> dict[Place, bytes | None]:
    """Every message of the archive, by its place, as the table's readers find it."""
    rows = rig.client.query("SELECT topic_id, partition, offset FROM messages_archived").result_rows
    places = [Place(*row) for row in rows]
    assert len(places) == len(set(places)), "a message stands twice in the view"
    return {place: one.value for place, one in archive.read(rig.client, places).items()}


def as_received(rig: Rig) -> set[Place]:
    """Places of all rows of the table that no erasure wrote, those that a merge would drop too."""
    rows = rig.client.query(
        "SELECT topic_id, partition, offset FROM message_archive WHERE rewritten_at = 0"
    ).result_rows
    return {Place(*row) for row in rows}


def place_of(rig: Rig, sent: Sent) -> Place:
    return Place(rig.topics[sent.topic].uuid, sent.partition, sent.offset)


def killed_at(rig: Rig, point: str) -> None:
    """Run an archive of its own process until it dies by its fail point."""
    environment = {
        **os.environ, "ROLLCALL_HOME": str(rig.home), "ROLLCALL_CLICKHOUSE__DATABASE": rig.database,
        "ROLLCALL_ARCHIVE__GROUP": rig.settings.archive.group, "ROLLCALL_FAILPOINT": point,
    }  # fmt: skip
    dying = subprocess.run(
        [sys.executable, "-m", "rollcall.cli", "archive", "run", "--once"], env=environment, capture_output=True,
        timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    assert dying.returncode == -9, dying.stderr.decode()[-2000:]


def test_every_message_of_the_mark_topics_is_archived_byte_for_byte(rig: Rig) -> None:
    places = rig.send(
        register(mark("P0", "/")), page(record("a", "P1", "I")), evidence("P2", "L"),
    ) + rig.send_raw((REGISTER, b"no number", b"\x00not ours\xff"), (REGISTER, str(URN).encode(), None))  # fmt: skip
    archive_all(rig)
    held = archived(rig)
    assert held == on_kafka(rig)
    assert held[place_of(rig, places[3])] == b"\x00not ours\xff"
    assert held[place_of(rig, places[4])] is None
    assert archive_all(rig) == 0


def test_a_replays_header_is_kept(rig: Rig) -> None:
    (place,) = rig.send_with_headers(REGISTER, str(URN).encode(), b"\x00\x00", [b"one", b"two"])
    archive_all(rig)
    (kept,) = rig.client.query(
        "SELECT replay_of FROM message_archive FINAL WHERE partition = {p:UInt16} AND offset = {o:UInt64}"
        " AND topic = {t:String}",
        parameters={"p": place.partition, "o": place.offset, "t": place.topic},
    ).result_rows
    assert kept == (["one", "two"],)


@pytest.mark.parametrize("point", ARCHIVE_POINTS)
def test_killed_anywhere_the_archive_ends_complete_and_equal(rig: Rig, point: str) -> None:
    rig.send(*(register(mark(f"P{n}", "/"), submitted_at=at(n)) for n in range(10)))
    killed_at(rig, point)
    rig.send(page(record("a", "P1", "I")))
    killed_at(rig, point)
    archive_all(rig)
    assert archived(rig) == on_kafka(rig)


def test_what_kafka_deleted_before_it_was_archived_is_told_and_the_rest_is_archived(
    rig: Rig, capsys: pytest.CaptureFixture[str]
) -> None:
    rig.send(register(mark("P2", "/")))  # of an archive that has read nothing yet nobody can say what it lost
    archive_all(rig)
    lost, kept = rig.send(register(mark("P0", "/")), register(mark("P1", "/"), submitted_at=at(1)))
    left = rig.admin.delete_records([TopicPartition(lost.topic, lost.partition, kept.offset)])
    for answer in left.values():
        answer.result()
    archive_all(rig)
    held = archived(rig)
    assert place_of(rig, kept) in held
    assert place_of(rig, lost) not in held
    said = capsys.readouterr()
    assert "archive_lost" in said.out + said.err


def test_an_erasure_that_looks_while_the_archive_writes_misses_nothing(rig: Rig) -> None:
    before, after = rig.send(register(mark("P0", "/")), register(mark("P1", "/"), submitted_at=at(1)))

    class Between:
        """A client; between the archive's question what is withheld and its insert, an erasure withholds a message."""

        def __getattr__(self, name: str) -> Any:
            return getattr(rig.client, name)

        def insert_arrow(self, *said: Any, **options: Any) -> None:
            archive.withhold(rig.client, [place_of(rig, before)])
            rig.client.insert_arrow(*said, **options)

    Archiver(rig.settings, Between()).run(once=True)  # type: ignore[arg-type]
    assert place_of(rig, before) not in as_received(rig)
    assert place_of(rig, after) in as_received(rig)


def test_what_a_killed_archive_wrote_and_was_withheld_since_goes_when_it_is_read_again(rig: Rig) -> None:
    (place,) = rig.send(register(mark("P0", "/")))
    killed_at(rig, "archive.written")
    assert place_of(rig, place) in as_received(rig)
    archive.withhold(rig.client, [place_of(rig, place)])
    archive_all(rig)
    assert place_of(rig, place) not in as_received(rig)


def test_messages_are_kept_for_as_long_as_the_setting_says(rig: Rig) -> None:
    rig.send(register(mark("P0", "/")))
    settings = rig.settings.model_copy(
        update={"archive": rig.settings.archive.model_copy(update={"retention_days": 30})}
    )
    Archiver(settings, rig.client).run(once=True)
    assert not archive.keep_for(rig.client, 30)
    rig.client.command("ALTER TABLE message_archive MODIFY TTL toDateTime(arrived_at) - INTERVAL 1 DAY")
    rig.client.command("OPTIMIZE TABLE message_archive FINAL")
    assert archived(rig) == {}
