"""A nation of few schools and fewer pupils that looks like 1 February 2023, when teachers struck, to the last decimal.

What the Department published that evening (rule 24's figures, in per cent of schools whose status was known): open
45.9, restricting attendance 44.7, closed 9.3; primary 52.1, 38.7, 9.1; secondary 17.4, 73.6, 9.0; special 28.8, 57.7,
13.5; of all that had submitted attendance data by 14:00, status unknown included: 43.9, 42.8, 8.9; those were 77.3 per
cent of state schools. Sources: Tes, Schools Week and Parliament Today of 1 February 2023, as they quote it.

`NATION` holds the smallest number of schools of known status that gives all of these roundings at once; a test in
`tests/publication/test_strike.py` searches again and finds no smaller. How the schools without a status fall on the
phases was not published, and is made up. Codes are those of that day: who was told to stay away had Y.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

from connectors.code_maps import publish as publish_maps
from connectors.encoding import Encoder
from connectors.publisher import Publisher
from rollcall.domain.codes import NATIONAL, national_map_entries
from rollcall.domain.identity import academic_year, academic_year_days
from rollcall.settings import Settings

__all__ = ["DAY", "NATION", "PUPILS", "Like", "Nation", "School", "nation", "reference", "register", "send"]

DAY = date(2023, 2, 1)
#: On roll at each school.
PUPILS = 4
_FIRST_URN = 180_001
_NAMESPACE = uuid.UUID("2f3a1c54-0d0f-5c55-8a3e-5f1b0a7d2023")
_TYPES = {
    "Primary": ("Community school", "5", 9),
    "Secondary": ("Academy converter", "8", 12),
    "Special": ("Community special school", "8", 12),
}
#: Region -> an authority of it: code and name.
_PLACES = (
    ("E12000001", "North East", "390", "Gateshead"),
    ("E12000002", "North West", "352", "Manchester"),
    ("E12000003", "Yorkshire and The Humber", "383", "Leeds"),
    ("E12000004", "East Midlands", "892", "Nottingham"),
    ("E12000005", "West Midlands", "330", "Birmingham"),
    ("E12000006", "East of England", "873", "Cambridgeshire"),
    ("E12000007", "London", "202", "Camden"),
    ("E12000008", "South East", "886", "Kent"),
    ("E12000009", "South West", "801", "Bristol, City of"),
)


class Like(NamedTuple):
    """Schools of a phase by what they were. `unknown` sent too few marks, `silent` none."""

    open: int
    restricted: int
    closed: int
    unknown: int
    silent: int


class Nation(NamedTuple):
    """The nation by phase."""

    Primary: Like
    Secondary: Like
    Special: Like


#: 2,001 schools of known status, 2,092 that responded, 2,705 in all.
NATION = Nation(
    Primary=Like(839, 623, 147, 70, 480),
    Secondary=Like(50, 212, 26, 16, 100),
    Special=Like(30, 60, 14, 5, 33),
)

#: The morning's codes of the pupils of a school, by what it was; '' is no mark.
_CODES: dict[str, tuple[str, ...]] = {
    "open": ("/", "/", "I", "/"),
    "restricted": ("/", "/", "Y", "Y"),
    "closed": ("Y", "Y", "Y", "Y"),
    "unknown": ("/", "", "", ""),
    "silent": ("", "", "", ""),
}


class School(NamedTuple):
    """A school that does not exist, and what it was on the day."""

    urn: int
    phase: str
    region_code: str
    region_name: str
    la_code: str
    la_name: str
    was: str


def nation(of: Nation = NATION) -> Iterator[School]:
    """Its schools, dealt out to one authority of each region in turn."""
    urn = _FIRST_URN
    for phase, like in of._asdict().items():
        for was, number in like._asdict().items():
            for _ in range(number):
                yield School(urn, phase, *_PLACES[urn % len(_PLACES)], was)
                urn += 1


def reference(school: School) -> Iterator[tuple[str, dict[str, Any]]]:
    """Topic and record of what must be known before the school's marks."""
    taken_at = datetime(DAY.year, DAY.month, DAY.day, tzinfo=UTC) - timedelta(days=30)
    kind, year_group, age = _TYPES[school.phase]
    first, last = academic_year_days(academic_year(DAY))
    yield "reference.school.v1", {
        "urn": school.urn, "name": f"{school.phase} school {school.urn}", "la_code": school.la_code,
        "la_name": school.la_name, "region_code": school.region_code, "region_name": school.region_name,
        "trust_id": "", "trust_name": "", "establishment_type": kind, "phase": school.phase, "state_funded": True,
        "status": "open", "valid_from": date(2015, 9, 1), "valid_to": None, "taken_at": taken_at,
    }  # fmt: skip
    yield "reference.calendar.v1", {
        "urn": school.urn, "academic_year": academic_year(DAY), "taken_at": taken_at,
        "terms": [{"name": "year", "first_day": first, "last_day": last}], "closures": [],
    }  # fmt: skip
    enrolment = {
        "first_day": first, "last_day": None, "status": "main", "year_group": year_group, "boarder": False,
        "part_time": False,
    }  # fmt: skip
    pupils = [
        {
            "refs": [{"scheme": "mis", "ref": f"p{number}"}], "age_31_august": age, "enrolments": [enrolment],
            "groups": [{"group_id": "G1", "first_day": first, "last_day": None}],
        }
        for number in range(PUPILS)
    ]  # fmt: skip
    yield "reference.roster.v1", {"urn": school.urn, "source": "strike", "taken_at": taken_at, "pupils": pupils}


def register(school: School, was: str | None = None, minute: int = 0) -> dict[str, Any] | None:
    """The school's morning register, so many minutes after the first; None of one that takes none.

    `was`: instead of what the school was.
    """
    opened = datetime(DAY.year, DAY.month, DAY.day, 8, 45, tzinfo=UTC)
    codes = _CODES[was or school.was]
    if not any(codes):
        return None
    submitted = opened + timedelta(minutes=20 + minute)
    identity = str(uuid.uuid5(_NAMESPACE, f"{school.urn}/{minute}"))
    return {
        "submission_id": identity, "urn": school.urn, "source": "classroom", "group_id": "G1", "session_date": DAY,
        "session": "AM", "period": None, "complete": "" not in codes, "revision": 1 + minute, "opened_at": opened,
        "closed_at": submitted, "submitted_at": submitted, "taken_by": "S1", "code_scheme": "national",
        "amendments": [],
        "marks": [
            {"pupil_ref": f"p{number}", "pupil_scheme": "mis", "code": code, "minutes_late": None}
            for number, code in enumerate(codes)
            if code
        ],
    }  # fmt: skip


def send(settings: Settings, *, code_map: bool = True) -> dict[tuple[str, int], int]:
    """Put the nation on Kafka, schools and rosters first; returns when Kafka has everything.

    Gives for each topic and partition of registers the last offset. Raises KafkaAway, KafkaError, RegistryAway.
    """
    if code_map:
        publish_maps(settings, {NATIONAL: national_map_entries()}, author="strike", reason="simulation")
    encoder = Encoder(settings.registry.url)
    encoder.ready()
    last: dict[tuple[str, int], int] = {}
    with Publisher(settings.kafka.client_config(), linger_ms=20, client_id="rollcall-strike") as publisher:

        def put(topic: str, record: dict[str, Any]) -> Any:
            return publisher.publish(topic, str(record["urn"]).encode(), encoder.encode(topic, record))

        schools = list(nation())
        for promise in [put(topic, record) for school in schools for topic, record in reference(school)]:
            promise.result()
        registers = [one for school in schools if (one := register(school)) is not None]
        for promise in [put("attendance.register.v1", one) for one in registers]:
            delivered = promise.result()
            if delivered.offset is not None:
                place = (delivered.topic, delivered.partition)
                last[place] = max(last.get(place, -1), delivered.offset)
    return last
