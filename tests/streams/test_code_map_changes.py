"""A map is tried before it is published, published, and rolled back: what is told is what happens, and all of it."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from connectors.code_maps import publish, written
from rollcall.cli.app import build
from rollcall.domain.codes import MapEntry
from rollcall.domain.identity import new_pupil_id
from rollcall.domain.pupil_aliases import merge
from sinks import reference
from sinks.code_maps import versions, what_would_change
from sinks.reports import day_report
from sinks.verify import verify
from tests.reference.conftest import applied
from tests.streams.agents_at_work import await_that
from tests.streams.loading import loader
from tests.streams.messages import DAY, OTHER_URN, URN, at, mark, page, record, register
from tests.streams.rig import Rig

Run = Callable[..., Result]

#: What the scheme's first map says; ON is its word for present, and 9 and HOL nobody knows yet.
FIRST = (
    MapEntry("/", "/"), MapEntry("\\", "\\"), MapEntry("ON", "/"), MapEntry("I", "I"), MapEntry("-", "-"),
)  # fmt: skip
#: 9 is late, HOL a holiday from the day on; ON is no mark at all.
SECOND = (
    *(entry for entry in FIRST if entry.raw_code != "ON"), MapEntry("ON", "-"), MapEntry("9", "L"),
    MapEntry("HOL", "G", DAY),
)  # fmt: skip


@pytest.fixture
def scheme() -> str:
    """A dialect of this test's own: the topic is shared by all tests."""
    return f"trust-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def run(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `rollcall ...` against this test's database."""
    monkeypatch.setenv("ROLLCALL_HOME", str(rig.home))
    monkeypatch.setenv("ROLLCALL_CLICKHOUSE__DATABASE", rig.database)

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(build(), list(arguments))

    return run


def followed(rig: Rig, so: Callable[[], bool]) -> None:
    """Let a loader work until it is so. Not longer: what it logs would be among what commands print."""
    with loader(rig):
        await_that(so)


def latest(rig: Rig, scheme: str) -> str:
    """Why the version in force was published."""
    return versions(rig.client, scheme)[-1].reason


@pytest.fixture
def day(rig: Rig, scheme: str) -> Iterator[Rig]:
    """A worker at work; two schools with marks in a dialect whose first map is in force.

    First school: two pupils 9, of one of whom the MIS says N; /, ON, HOL, I; and a 9 under a pupil's second number.
    Second school, in the afternoon: \\, 9, and a 9 of the national scheme.
    """
    publish(rig.settings, {scheme: FIRST}, author="data manager", reason="dialect of the trust")
    one, other = (str(new_pupil_id(URN, "mis", ref)) for ref in ("P4", "P5"))
    told = {"published_at": at(0), "author": "test", "reason": "test"}
    alias = {**told, "pupil_id": one, "aliases": [{**merge(int(other))._asdict(), "to_pupil_id": other}]}
    reference.apply(rig.client, [applied("pupil-alias", alias)], {})
    followed(rig, lambda: bool(versions(rig.client, scheme)))
    codes = {"P0": "9", "P1": "9", "P2": "/", "P4": "9", "P6": "ON", "P7": "HOL", "P8": "I"}
    with rig.worker():
        rig.done(
            register(*(mark(ref, code) for ref, code in codes.items()), code_scheme=scheme),
            register(mark("P0", "\\"), mark("P1", "9"), session="PM", urn=OTHER_URN, code_scheme=scheme),
        )
        rig.done(page(record("a", "P1", "N"), taken_at=at(1)), register(mark("P2", "9"), session="PM", urn=OTHER_URN))
        assert verify(rig.client).equal
        yield rig


def documents(run: Run, *words: str) -> Any:
    result = run(*words, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def standing(rig: Rig) -> list[dict[str, Any]]:
    """Every current mark, but for which publications it has seen."""
    return list(
        rig.client.query(
            "SELECT * EXCEPT derived_version FROM mark_current FINAL ORDER BY session_date, urn, session, pupil_id"
        ).named_results()
    )


def codes_of(marks: list[dict[str, Any]]) -> list[str]:
    """What counts, mark by mark; - where nothing stands."""
    return [one["canonical_code"] if one["is_mark"] else "-" for one in marks]


def figures(run: Run, folder: Path) -> bytes:
    """What reports print and the publication writes, in bytes; but the number of the map, which a rollback raises."""
    out = folder / "out.csv"
    said = [run("report", "day", "--date", str(DAY), "--by", by, "--all", "--json") for by in ("school", "phase")]
    written = run("publish", "attendance", "--from", str(DAY), "--suppression", "none", "--out", str(out))
    assert [one.exit_code for one in (*said, written)] == [0, 0, 0], written.output
    reports = (re.sub(r'"code_map_version": \d+', "", one.stdout) for one in said)
    return b"".join([*(one.encode() for one in reports), out.read_bytes()])


def test_the_dry_run_says_what_publishing_does_and_a_rollback_gives_the_figures_of_before_byte_for_byte(
    day: Rig, run: Run, scheme: str, tmp_path: Path
) -> None:
    file = tmp_path / "map.csv"
    file.write_text(written(SECOND), encoding="utf-8")
    before, bytes_before = standing(day), figures(run, tmp_path)

    told = documents(run, "codes", "diff", str(file), "--scheme", scheme)
    assert [one["raw_code"] for one in told["added"]] == ["9", "HOL"]
    assert [(one["before"]["canonical_code"], one["after"]["canonical_code"]) for one in told["changed"]] == [
        ("/", "-")
    ]
    # Late: P0, the mark of P4 that counts for P5, and P1 of the other school. The MIS's N gives way to a definite mark.
    assert {(one["was"], one["becomes"]): one["marks"] for one in told["by_code"]} == {
        ("", "L"): 3, ("", "G"): 1, ("/", "-"): 1, ("N", "L"): 1,
    }  # fmt: skip
    assert standing(day) == before, "a dry run writes nothing"
    assert figures(run, tmp_path) == bytes_before

    now = {line.key: line for line in day_report(day.client, DAY, "phase").lines}
    assert {one["phase"]: one["before"] for one in told["figures"]}["Primary"] == _counts(now["Primary"])
    assert run("codes", "publish", str(file), "--scheme", scheme, "--author", "a", "--reason", "b").exit_code == 0
    followed(day, lambda: standing(day) != before and verify(day.client).equal)
    assert documents(run, "codes", "diff", str(file), "--scheme", scheme)["marks"] == 0
    after = day_report(day.client, DAY, "phase")
    promised = {one["phase"]: one["after"] for one in told["figures"]}
    assert {line.key: _counts(line) for line in after.lines} | {"Total": _counts(after.total)} == promised
    pairs = zip(codes_of(before), codes_of(standing(day)), strict=True)
    assert sum(one != other for one, other in pairs) == told["marks"]
    assert figures(run, tmp_path) != bytes_before

    rolled_back = run("codes", "rollback", "--scheme", scheme, "--author", "head of data", "--reason", "9 is not late")
    assert rolled_back.exit_code == 0, rolled_back.output
    followed(day, lambda: standing(day) == before and verify(day.client).equal)
    assert figures(run, tmp_path) == bytes_before


def _counts(line: Any) -> dict[str, Any]:
    names = ("possible", "attendance", "absence", "authorised", "unauthorised", "unknown")
    rates = ("attendance_rate", "absence_rate", "authorised_rate", "unauthorised_rate")
    told = line.as_json()
    return {name: told[name] for name in (*names, *rates)}


def test_history_keeps_every_version_and_a_rollback_is_one_more(
    rig: Rig, run: Run, scheme: str, tmp_path: Path
) -> None:
    def newest() -> Any:
        return documents(run, "codes", "history", "--scheme", scheme)[-1]

    publish(rig.settings, {scheme: FIRST}, author="data manager", reason="dialect of the trust")
    followed(rig, lambda: bool(versions(rig.client, scheme)))
    file = tmp_path / "map.csv"
    file.write_text(written(SECOND), encoding="utf-8")
    (first,) = documents(run, "codes", "history", "--scheme", scheme)
    assert (first["author"], first["reason"], len(first["added"])) == (
        "data manager",
        "dialect of the trust",
        len(FIRST),
    )
    run("codes", "publish", str(file), "--scheme", scheme, "--author", "data manager", "--reason", "9 is late")
    followed(rig, lambda: latest(rig, scheme) == "9 is late")
    second = newest()
    assert second["version"] > first["version"]
    assert [len(second[name]) for name in ("added", "removed", "changed")] == [2, 0, 1]
    shown = run("codes", "show", "--scheme", scheme, "--csv")
    assert shown.stdout == file.read_text(encoding="utf-8"), "what is shown is what may be published"
    at_first = documents(run, "codes", "show", "--scheme", scheme, "--at", first["published_at"])
    assert (at_first["version"], len(at_first["entries"])) == (first["version"], len(FIRST))
    of_day = documents(run, "codes", "show", "--scheme", scheme, "--date", "2025-09-09")
    assert "HOL" not in {one["raw_code"] for one in of_day["entries"]}, "it holds from 10 September on"

    run("codes", "rollback", "--scheme", scheme, "--author", "head of data", "--reason", "it is not")
    followed(rig, lambda: latest(rig, scheme).startswith("it is not"))
    third = newest()
    assert (third["author"], third["reason"]) == ("head of data", f"it is not (as version {first['version']})")
    assert [len(third[name]) for name in ("added", "removed", "changed")] == [0, 2, 1]
    shown = documents(run, "codes", "show", "--scheme", scheme)
    assert (shown["version"], shown["entries"]) == (third["version"], at_first["entries"])
    refused = run(
        "codes", "rollback", "--scheme", scheme, "--author", "a", "--reason", "b", "--to", str(third["version"])
    )
    assert "is the one in force" in str(refused.exception)
    refused = run("codes", "rollback", "--scheme", scheme, "--author", "a", "--reason", "b", "--to", "0")
    assert f"has no version 0; there are {first['version']}, " in str(refused.exception)
    for words in (["show", "--scheme", scheme], ["history"], ["diff", str(file), "--scheme", scheme]):
        assert run("codes", *words).exit_code == 0


def test_a_rollback_is_refused_while_a_later_map_is_published_and_not_in_force(rig: Rig, run: Run, scheme: str) -> None:
    """Nobody has seen what it says: to undo it unseen would be a guess."""
    for entries in (FIRST, SECOND):
        published = {
            "scheme": scheme, "version": 1, "published_at": at(len(entries)), "author": "a", "reason": "b",
            "entries": [entry._asdict() for entry in entries],
        }  # fmt: skip
        reference.apply(rig.client, [applied("code-map", published)], {})
    publish(rig.settings, {scheme: FIRST}, author="somebody else", reason="meanwhile")
    refused = run("codes", "rollback", "--scheme", scheme, "--author", "a", "--reason", "b")
    assert "is not in force yet: wait for the reference loader" in str(refused.exception)
    assert run("codes", "rollback", "--scheme", "nobody", "--author", "a", "--reason", "b").exit_code != 0


def test_of_a_span_of_dates_only_its_marks_are_told_and_its_figures(rig: Rig, scheme: str) -> None:
    days = [DAY, DAY.replace(day=11), DAY.replace(day=12)]
    with rig.worker():
        for number, one in enumerate(days):
            rig.done(
                register(
                    mark("P0", "9"), mark("P1", "/"), session_date=one, code_scheme=scheme, submitted_at=at(number)
                )
            )
        found = what_would_change(rig.client, scheme, SECOND, days[1], days[2])
        assert [(one.session_date, one.was, one.becomes, one.marks) for one in found.changes] == [
            (one, "", code, 1) for one in days[1:] for code in ("/", "L")
        ]
        ((_, before, after), _) = found.figures()
        assert (before.counts(), after.counts()) == ((0, 0, 0, 0, 4), (4, 4, 0, 0, 0))
        only = [MapEntry("9", "L", days[2])]
        assert {one.session_date for one in what_would_change(rig.client, scheme, only).changes} == {days[2]}
        assert what_would_change(rig.client, scheme, []).changes == ()
