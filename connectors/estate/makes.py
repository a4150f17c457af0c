"""The makes of MIS that the estate's schools are pulled from: what one calls things, and what it shows.

A new make is an entry here, and a server in a file of its own that `servers.SERVERS` names (or a folder of files).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

__all__ = ["FEW", "MAKES", "MIX", "TRUST", "Make"]


@dataclass(frozen=True, slots=True)
class Make:
    """One make. Ids are functions of numbers, so that the same school has the same ids in every run.

    school_id: of a school's place and URN. pupil_id: of a pupil's row. stranger_id: of any eight digits, a pupil that
    no roster has. record_id: of a school's place, four digits of the day, and a running number; they grow with it.
    place: of a pupil's id, day, session and period, for a make that tells of no deletions: the id that a record has in
    place of `record_id`, because it must name its place (rule 18).
    lessons: whether it has marks of lessons. shows_modified: whether a mark says when it was changed (rule 6);
    also_undated: and says it elsewhere without. tells_mis_id: whether its pupils have the id that other systems use.
    """

    school_id: Callable[[int, int], str]
    pupil_id: Callable[[int], str]
    stranger_id: Callable[[int], str]
    record_id: Callable[[int, int, int], str]
    lessons: bool
    shows_modified: bool
    also_undated: bool = False
    tells_mis_id: bool = True
    place: Callable[[str, date, str, str | None], str] | None = None


def _no_id(*_: int) -> str:
    raise AssertionError("a record of this make is called by its place")


#: By the name of the connector, which is also the source of its marks and the scheme of its pupils' ids.
MAKES: dict[str, Make] = {
    "wonde": Make(
        school_id=lambda place, _: f"A{1930400000 + place}",
        pupil_id=lambda row: f"A{2_000_000_000 + row}",
        stranger_id=lambda digits: f"A19{digits}",
        record_id=lambda place, day, number: f"A{place:05d}{day:04d}{number:05d}",
        lessons=True,
        shows_modified=False,
    ),
    "odata": Make(
        school_id=lambda _, urn: str(urn),
        pupil_id=lambda row: f"PUP-{row}",
        stranger_id=lambda digits: f"PUP-S{digits}",
        record_id=lambda place, day, number: f"AS-{place:05d}-{day:04d}{number:05d}",
        lessons=False,
        shows_modified=True,
    ),
    # Arbor has lessons too; the estate's schools of it have none.
    "arbor": Make(
        school_id=lambda _, urn: f"school-{urn}",
        pupil_id=lambda row: str(1 + row),
        stranger_id=lambda digits: f"9{digits}",
        record_id=lambda place, day, number: f"{place:05d}{day:04d}{number:05d}",
        lessons=False,
        shows_modified=False,
    ),
    # Bromcom has lessons too; the estate's schools of it have none.
    "bromcom": Make(
        school_id=lambda place, _: str(4_000 + place),
        pupil_id=lambda row: str(300_000 + row),
        stranger_id=lambda digits: f"9{digits}",
        record_id=_no_id,
        lessons=False,
        shows_modified=True,
        also_undated=True,
        tells_mis_id=False,
        place=lambda pupil, day, session, period: f"{pupil}:{day.isoformat()}:{period or session}",
    ),
    # Files: a record has no id of its own.
    "csvdrop": Make(
        school_id=lambda _, urn: f"school-{urn}",
        pupil_id=lambda row: f"{700_000 + row}",
        stranger_id=lambda digits: f"9{digits}",
        record_id=_no_id,
        lessons=False,
        shows_modified=False,
        place=lambda pupil, day, session, period: "-".join(filter(None, (day.isoformat(), session, period, pupil))),
    ),
}
#: What the schools of an estate are pulled from unless it is said.
MIX = ("wonde", "odata")
#: What the schools of a trust with every make are pulled from by turns, and the make of its smallest one: there every
#: mark is a request of its own.
TRUST, FEW = ("wonde", "odata", "bromcom", "csvdrop"), "arbor"
