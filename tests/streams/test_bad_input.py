"""Every kind of bad input through a real worker: its own reason or exception, and nothing beside it is lost."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from schemas import wire
from schemas.registry import Registry, RegistryAway
from tests.streams.messages import (
    OTHER_URN,
    REGISTER,
    UNKNOWN_URN,
    Here,
    at,
    encode,
    mark,
    page,
    record,
    register,
)
from tests.streams.rig import Fate, Place, Rig
from tests.streams.town import AMBIGUOUS, LEFT, PUPILS, UNKNOWN

GOOD = [[Fate("accepted")] * 3]


def neighbours() -> tuple[dict[str, Any], dict[str, Any]]:
    """Good messages of the same partition, to lie on both sides of a bad one."""
    before = register(*(mark(ref) for ref in PUPILS[:3]), submitted_at=at(1))
    after = register(*(mark(ref) for ref in PUPILS[3:6]), submitted_at=at(2), group_id="7B")
    return before, after


def among_good(
    rig: Rig, *bad: tuple[bytes | None, bytes | None], topic: str = REGISTER
) -> tuple[list[Place], list[list[Fate]]]:
    """Put raw messages between good ones of the partition, which are checked; returns their places and fates."""
    before, after = neighbours()
    home = rig.send(before)[0]
    places = rig.send_raw(*((topic, key, value) for key, value in bad), partition=home.partition)
    last = rig.send(after)[0]
    rig.settle(home, *places, last)
    assert [rig.fates(place) for place in (home, last)] == GOOD * 2
    return places, [rig.fates(place) for place in places]


def test_messages_that_cannot_be_read_are_quarantined_whole_alone_and_with_their_bytes(working: Rig) -> None:
    good, key = encode(register(mark("P9")), working.ids), str(Here.urn).encode()
    sent = [
        (key, wire.frame(999_999, good[wire.HEADER :])),
        (key, wire.frame(working.ids["reference.school.v1"], good[wire.HEADER :])),
        (key, None),
        (key, good[:-3]),
        (key, good + b"\x00"),
        (key, good + good[wire.HEADER :]),
        (key, b""),
        (key, b"\x01" + good[1:]),
        (str(OTHER_URN).encode(), good),
        (None, good),
        (b"00" + key, good),
    ]
    places, fates = among_good(working, *sent)
    reasons = ["unknown_schema"] * 2 + ["no_value"] + ["undecodable"] * 5 + ["key_mismatch"] * 3
    assert fates == [[Fate(reason)] for reason in reasons]
    kept = working.client.query(
        "SELECT m.key, m.value, m.is_null, q.detail FROM quarantine_message AS m FINAL"
        " INNER JOIN (SELECT * FROM quarantine FINAL) AS q USING (topic_id, partition, offset)"
        " WHERE m.topic = {t:String} AND m.partition = {p:UInt16} AND m.offset BETWEEN {a:UInt64} AND {b:UInt64}"
        " ORDER BY m.offset",
        {"t": REGISTER, "p": places[0].partition, "a": places[0].offset, "b": places[-1].offset},
        column_formats={"m.key": "bytes", "m.value": "bytes", "key": "bytes", "value": "bytes"},
    ).result_rows
    assert [(kept_key, value, is_null) for kept_key, value, is_null, _ in kept] == [
        (sent_key or b"", value or b"", value is None) for sent_key, value in sent
    ]
    assert all(detail for *_, detail in kept)


def test_a_registry_that_is_away_pauses_and_refuses_nothing(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    away = {"for": 3}
    real = Registry.get

    def get(self: Registry, schema_id: int) -> Any:
        if away["for"] > 0:
            away["for"] -= 1
            raise RegistryAway("the registry does not answer")
        return real(self, schema_id)

    monkeypatch.setattr(Registry, "get", get)
    places = rig.send(*neighbours(), page(record("r1", "P6")), register(mark("P1"), urn=OTHER_URN))
    with rig.worker():
        rig.settle(*places)
    assert away["for"] == 0
    assert [rig.fates(place) for place in places] == [*GOOD * 2, [Fate("accepted")], [Fate("accepted")]]
    assert rig.client.query("SELECT count() FROM quarantine").result_rows == [(0,)]
    rig.check()


def test_while_the_registry_is_away_the_worker_says_so_and_the_partition_waits(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    back, real = [False], Registry.get

    def get(self: Registry, schema_id: int) -> Any:
        if not back:
            raise RegistryAway("the registry does not answer")
        return real(self, schema_id)

    back.clear()
    monkeypatch.setattr(Registry, "get", get)
    with rig.worker() as worker:
        (place,) = rig.send(register(mark("P1")))
        deadline = time.monotonic() + 30
        while "registry" not in worker.not_ready() and time.monotonic() < deadline:
            time.sleep(0.02)
        assert "registry" in worker.not_ready()
        assert rig.positions().get((place.topic, place.partition), 0) <= place.offset
        back.append(True)
        rig.settle(place)
    assert rig.fates(place) == [Fate("accepted")]


def test_marks_that_cannot_be_placed_are_quarantined_one_by_one_rule_1(working: Rig) -> None:
    mixed = register(
        mark("P0"), mark(UNKNOWN), mark(AMBIGUOUS, scheme="other"), mark("P1", "X" * 200), mark("P2", "\x07"),
        mark("P3", scheme="upn"), mark("P4"),
    )  # fmt: skip
    (fates,) = working.done(mixed)
    reasons = ["unknown_pupil", "ambiguous_pupil", "malformed_code", "malformed_code", "unknown_pupil"]
    assert fates == [Fate("accepted"), *map(Fate, reasons), Fate("accepted")]
    stored = working.client.query("SELECT count(), any(reason) FROM quarantine WHERE detail LIKE '%XXXX%'").result_rows
    assert stored[0][0] == 0


def test_an_unknown_school(working: Rig) -> None:
    before, after = neighbours()
    fates = working.done(
        before, register(mark("P0"), mark("P1"), urn=UNKNOWN_URN), page(deletions=["r"], urn=UNKNOWN_URN), after
    )
    assert fates == [*GOOD, [Fate("unknown_school")] * 2, [Fate("unknown_school")], *GOOD]


@pytest.mark.parametrize(
    ("day", "reason"),
    [
        (-(2**31), "bad_date"),
        (2**31 - 1, "bad_date"),
        (65_536, "bad_date"),
        (0, "bad_date"),
        (date(2019, 9, 10), "date_out_of_range"),
        (date(2031, 9, 10), "date_out_of_range"),
        (date(2025, 8, 31), "date_out_of_range"),
    ],
)
def test_an_unreadable_or_far_off_date(working: Rig, day: Any, reason: str) -> None:
    """Alone in its batch and among others: both decoders say the same."""
    for _ in range(2):
        (fates,) = working.done(register(mark("P0"), mark("P1"), session_date=day))
        assert fates == [Fate(reason)] * 2
    fates = working.done(*[register(mark("P0"), session_date=day)] * 3, register(mark("P0"), submitted_at=at(3)))
    assert fates[:3] == [[Fate(reason)]] * 3
    assert fates[3][0].outcome in ("accepted", "unchanged")
    assert working.done(page(record("r", "P0", session_date=day)))[0] == [Fate(reason)]


def test_a_session_that_is_not_am_or_pm(working: Rig) -> None:
    before, after = neighbours()
    fates = working.done(
        before, page(record("r1", "P9"), record("r2", "P8", session="XX"), record("r3", "P7", session="am")), after
    )
    assert fates == [*GOOD, [Fate("accepted"), Fate("bad_session"), Fate("bad_session")], *GOOD]


def test_a_message_without_marks_is_a_receipt_and_no_mark(working: Rig) -> None:
    assert working.done(register(), page(), *neighbours()) == [[], [], *GOOD * 2]
    assert working.here("SELECT countIf(marks = 0), sum(marks) FROM register_receipt FINAL WHERE urn =") == [(2, 6)]


def test_ten_thousand_marks_in_one_message(working: Rig) -> None:
    days = [date(2025, 9, 10) + timedelta(days=i) for i in range(9)]
    marks = [
        record(f"r{n}", PUPILS[n % 30], "L", session_date=days[n // 30 % 9], minutes_late=n % 90) for n in range(10_000)
    ]
    before, after = neighbours()
    fates = working.done(before, page(*marks), after)
    assert (fates[0], fates[2]) == (GOOD[0], GOOD[0])
    assert len(fates[1]) == 10_000
    assert {fate.outcome for fate in fates[1]} == {"accepted"}


def test_the_same_pupil_twice_in_one_register(working: Rig) -> None:
    before, after = neighbours()
    fates = working.done(
        before,
        register(mark("P9"), mark("P8"), mark("P9")),
        register(mark("P7"), mark("P6", "N"), mark("P7", "N")),
        after,
    )
    assert fates == [
        *GOOD, [Fate("accepted"), Fate("accepted"), Fate("unchanged")],
        [Fate("contradicts_itself"), Fate("accepted"), Fate("contradicts_itself")], *GOOD,
    ]  # fmt: skip


def test_a_clock_that_is_hours_ahead_is_capped_and_named_rule_6(working: Rig) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    ((ahead,),) = working.done(register(mark("P0", "/"), submitted_at=now + timedelta(hours=5)))
    assert ahead == Fate("accepted", frozenset({"clock_ahead"}))
    ((later,),) = working.done(register(mark("P0", "N"), submitted_at=now + timedelta(hours=5)))
    assert later == Fate("accepted", frozenset({"clock_ahead"}))
    assert working.current()[Here.urn, "P0", "AM"] == ("classroom", "N", "N")
    ((asserted,),) = working.here("SELECT toUnixTimestamp(max(asserted_at)) FROM mark_event WHERE urn =")
    assert asserted < (now + timedelta(hours=1)).timestamp()


def test_findings_about_accepted_marks_rules_1_to_5(working: Rig) -> None:
    """Each exception alone; every one of these marks is accepted."""
    half_term = date(2025, 10, 28)

    def found(message: dict[str, Any]) -> set[str]:
        ((fate,),) = working.done(message)
        assert fate.outcome == "accepted"
        return set(fate.exceptions)

    late = at(60 * 24 * 60)
    assert found(register(mark(LEFT))) == {"not_on_roll"}
    assert found(register(mark(LEFT, "Z"), submitted_at=at(1))) == set()
    assert found(register(mark("P0"), session_date=half_term, submitted_at=late)) == {"outside_calendar"}
    assert found(register(mark("P1", "#"), session_date=half_term, submitted_at=late)) == set()
    assert found(register(mark("P0"), session_date=date(2025, 9, 11))) == {"dated_ahead"}
    assert found(register(mark("P2"), session="PM")) == {"code_session_mismatch"}
    assert found(register(mark("P2", "\\"))) == {"code_session_mismatch"}
    assert found(register(mark("P3", "QQ"))) == {"unmapped_code"}
    assert found(register(mark("P4"), code_scheme="a scheme without a map")) == {"unmapped_code"}
    assert found(register(mark("P5", "H"))) == {"code_out_of_date"}
    assert found(register(mark("P6", "J"))) == {"unmapped_code"}
    assert found(register(mark("P7", "-"))) == set()
    assert working.current()[Here.urn, "P5", "AM"] == ("classroom", "H", "H")
    assert working.current()[Here.urn, "P3", "AM"] == ("classroom", "QQ", "")
