"""`rollcall reconcile --source` for the makes beside Wonde, against the estate's server of each: one planted difference
is found, and nothing is reported of a school where there is none.

Two schools of each make are pulled onto Kafka, and a worker writes what came. Compared then, all are equal. After that
the first school of each make gets its own trouble, dated long before the pull, as if the pull had lost it.
"""

from __future__ import annotations

import asyncio
import csv
import io
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

import schemas
from connectors import pulling
from connectors.estate.dirt import Dirt
from connectors.estate.estate import Estate
from connectors.estate.messages import PulledRecord
from connectors.estate.reference import records
from connectors.estate.schools import School
from connectors.pupils import UpnKey
from connectors.source_pulls import Plan
from rollcall.cli.scenarios.ground import define, sources_of
from rollcall.settings import Settings
from schemas import wire
from sinks import reference
from tests.connectors.conftest import make_topics, wait_until
from tests.databases import Databases
from tests.reference.conftest import applied
from tests.scenarios.reconciling import reconcile, settle_pages
from tests.streams.rig import Rig

DAY = date(2025, 9, 10)
#: When every mark was made and changed, as the sources say it: long before the pull, whenever that is.
LONG_AGO = datetime(2025, 9, 10, 15, tzinfo=UTC)
#: Kafka is shared with other tests: URNs of this file's own.
FIRST_URN = 770_001
SECRET = "estate:a token that is only used in tests"

#: A kind of difference, and the codes that the source and we have.
Found = tuple[str, str | None, str | None]


class Trust:
    """The estate, pulled once; and what the command says of it."""

    def __init__(self, estate: Estate, rig: Rig, settings: Settings, folder: Path) -> None:
        self.estate, self.rig, self.settings, self.folder = estate, rig, settings, folder
        #: The mark that is planted at each make: of a morning, and present.
        self.marks = {make: self._mark(make) for make in PLANTED}

    def schools(self, make: str) -> list[School]:
        """The two schools of a make; the first is that with a difference."""
        return [school for school in self.estate.schools if school.make == make]

    def _mark(self, make: str) -> PulledRecord:
        held = self.estate.records[self.schools(make)[0].urn].values()
        return next(one for one in held if (one.session, one.code) == ("AM", "/"))

    def pull(self) -> None:
        """Pull until every file of marks is taken, and wait until a worker has written what came."""

        def pulled() -> bool:
            done = asyncio.run(pulling.run(self.settings, Plan(what="marks", today=DAY)))
            assert {one.outcome for of_source in done for one in of_source.pulled} == {"pulled"}
            return not list(self.folder.glob("*/whole-*.csv"))

        wait_until(pulled)
        settle_pages(self.rig)

    def reconcile(self) -> tuple[int, dict[int, dict[str, Any]]]:
        """Exit code of `rollcall reconcile` with every source, and what it says of each URN."""
        day = DAY.isoformat()
        sources = [word for make in PLANTED for word in ("--source", make)]
        done = reconcile(self.settings, *sources, "--window", day, day, "--today", day, "--json")
        assert done.returncode in (0, 1), done.stderr[-2000:]
        return done.returncode, {one["urn"]: one for one in json.loads(done.stdout)["schools"]}


#: Does something to the planted mark of a make.
Deed = Callable[[Trust, PulledRecord], None]


@dataclass(frozen=True)
class Planted:
    """before: done to the source before it is pulled; then: afterwards. found: the one difference."""

    found: Found
    before: Deed = lambda _trust, _mark: None
    then: Deed = lambda _trust, _mark: None


def hide(_trust: Trust, mark: PulledRecord) -> None:
    """Its page does not come: the source shows it the second time only."""
    mark.updated_at = None


def show(_trust: Trust, mark: PulledRecord) -> None:
    mark.updated_at = LONG_AGO


def change(_trust: Trust, mark: PulledRecord) -> None:
    mark.code = "N"


def remove(_trust: Trust, mark: PulledRecord) -> None:
    mark.deleted_at = LONG_AGO


def write_over(trust: Trust, mark: PulledRecord) -> None:
    """The last whole export of the day, where it was put away, says another code of the pupil."""
    school = trust.schools("csvdrop")[0]
    (file,) = (trust.folder / school.source_id / "done" / "marks").glob(f"*-whole-{DAY:%Y%m%d}-3.csv")
    written, encoding = file.stat().st_mtime_ns, "cp1252"
    separator = ";" if b";" in file.read_bytes().splitlines()[0] else ","
    rows = list(csv.reader(io.StringIO(file.read_text(encoding)), delimiter=separator))
    (row,) = (one for one in rows if mark.pupil_ref in one and "AM" in one)
    row[:] = ["N" if cell == "/" else cell for cell in row]
    out = io.StringIO()
    csv.writer(out, delimiter=separator).writerows(rows)
    file.write_text(out.getvalue(), encoding)
    os.utime(file, ns=(written, written))


PLANTED: dict[str, Planted] = {
    "odata": Planted(("missing", "/", None), before=hide, then=show),
    "bromcom": Planted(("code", "N", "/"), then=change),
    "arbor": Planted(("kept", None, "/"), then=remove),
    "csvdrop": Planted(("code", "N", "/"), then=write_over),
}


def _estate() -> Estate:
    """Two small schools of each make, without dirt: what differs is what is planted."""
    makes = [make for make in PLANTED for _ in range(2)]
    estate = Estate.make(11, len(makes), 20 * len(makes), [DAY], Dirt.none(), ahead_of=DAY, feeds="odata")
    estate.schools[:] = [
        replace(school, make=make, urn=FIRST_URN + place, code_scheme="national")
        for place, (school, make) in enumerate(zip(estate.schools, makes, strict=True))
    ]
    return estate


def _reference(estate: Estate, upns: UpnKey) -> Iterator[Any]:
    for one in records(estate, upns.reference, pulled_rosters=True):
        schema = schemas.parsed(one.topic)
        record = wire.decode(schema, wire.encode(schema, 0, one.value))
        yield applied(one.topic.split(".")[1], record)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def trust(
    stack: Any,
    stack_home: Path,
    registered: dict[str, int],
    databases: Databases,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Trust]:
    make_topics(stack.kafka)
    database, _ = databases.take()
    rig = Rig(stack_home, database, registered)
    folder = tmp_path_factory.mktemp("drops")
    estate = _estate()
    settings = Settings.load(
        home=tmp_path_factory.mktemp("installation"),
        kafka={"bootstrap": stack.kafka},
        registry={"url": stack.registry},
        clickhouse={"host": stack.clickhouse_host, "port": stack.clickhouse_port, "database": database},
    )
    reference.apply(rig.client, list(_reference(estate, UpnKey.of(settings))), {})
    with pytest.MonkeyPatch.context() as patch, estate.serve(token=SECRET, folder=folder) as servers:
        patch.setenv("ESTATE_TOKEN", SECRET)
        for tick in estate.ticks:
            estate.advance(tick)
        for held in estate.records.values():
            for record in held.values():
                record.updated_at = LONG_AGO
        made = Trust(estate, rig, settings, folder)
        for make, planted in PLANTED.items():
            planted.before(made, made.marks[make])
        define(settings, sources_of(estate, servers))
        with rig.worker():
            made.pull()
            yield made
    rig.close()
    databases.drop(database)


@pytest.fixture(scope="module")
def before(trust: Trust) -> dict[int, dict[str, Any]]:
    """What is said of each school before anything is planted (what a page has lost is hidden until then)."""
    code, said = trust.reconcile()
    assert code == 0
    return said


@pytest.fixture(scope="module")
def after(trust: Trust, before: Any) -> dict[int, dict[str, Any]]:
    """What is said when every make has its difference."""
    for make, planted in PLANTED.items():
        planted.then(trust, trust.marks[make])
    code, said = trust.reconcile()
    assert code == 1
    return said


@pytest.mark.parametrize("make", PLANTED)
def test_what_was_pulled_and_written_is_what_the_source_holds(
    trust: Trust, before: dict[int, dict[str, Any]], make: str
) -> None:
    for school in trust.schools(make):
        said = before[school.urn]
        assert (said["source"], said["compared"], said["equal"], said["records"]) == (make, True, True, [])
        assert said["theirs"] == said["ours"] == said["same"] > 3


@pytest.mark.parametrize("make", PLANTED)
def test_the_planted_difference_is_found_and_the_other_school_is_equal(
    trust: Trust, after: dict[int, dict[str, Any]], make: str
) -> None:
    with_one, without = (after[school.urn] for school in trust.schools(make))
    kind, theirs, ours = PLANTED[make].found
    (record,) = with_one["records"]
    assert (record["kind"], _code(record["theirs"]), _code(record["ours"])) == (kind, theirs, ours)
    assert {one["date"] for one in (record["theirs"], record["ours"]) if one} == {DAY.isoformat()}
    assert (with_one["differences"], with_one["not_pulled_yet"]) == ({kind: 1}, 0)
    assert (without["equal"], without["records"]) == (True, [])


def _code(mark: dict[str, Any] | None) -> str | None:
    return None if mark is None else str(mark["code"])
