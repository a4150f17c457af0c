"""Extracts in GIAS's own form, of schools that do not exist.

python -m tests.reference.gias.make tests/reference/gias

writes the committed extract and links file again. Header: "Establishment fields" of "Get information about schools",
as downloaded in 2024 and 2025. URNs begin with 9: GIAS gives none of those.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

__all__ = ["COLUMNS", "EXTRACT", "LINKS", "LINK_COLUMNS", "SCHOOLS", "write"]

COLUMNS: tuple[str, ...] = tuple(
    """URN|LA (code)|LA (name)|EstablishmentNumber|EstablishmentName|TypeOfEstablishment (code)
TypeOfEstablishment (name)
EstablishmentTypeGroup (code)|EstablishmentTypeGroup (name)|EstablishmentStatus (code)|EstablishmentStatus (name)
ReasonEstablishmentOpened (code)|ReasonEstablishmentOpened (name)|OpenDate|ReasonEstablishmentClosed (code)
ReasonEstablishmentClosed (name)|CloseDate|PhaseOfEducation (code)|PhaseOfEducation (name)|StatutoryLowAge
StatutoryHighAge
Boarders (code)|Boarders (name)|NurseryProvision (name)|OfficialSixthForm (code)|OfficialSixthForm (name)|Gender (code)
Gender (name)|ReligiousCharacter (code)|ReligiousCharacter (name)|ReligiousEthos (name)|Diocese (code)|Diocese (name)
AdmissionsPolicy (code)|AdmissionsPolicy (name)|SchoolCapacity|SpecialClasses (code)|SpecialClasses (name)|CensusDate
NumberOfPupils|NumberOfBoys|NumberOfGirls|PercentageFSM|TrustSchoolFlag (code)|TrustSchoolFlag (name)|Trusts (code)
Trusts (name)|SchoolSponsorFlag (name)|SchoolSponsors (name)|FederationFlag (name)|Federations (code)|Federations (name)
UKPRN|FEHEIdentifier|FurtherEducationType (name)|LastChangedDate|Street|Locality|Address3|Town|County (name)|Postcode
SchoolWebsite|TelephoneNum|HeadTitle (name)|HeadFirstName|HeadLastName|HeadPreferredJobTitle|BSOInspectorateName (name)
InspectorateReport|DateOfLastInspectionVisit|NextInspectionVisit|TeenMoth (name)|TeenMothPlaces|CCF (name)|SENPRU (name)
EBD (name)|PlacesPRU|FTProv (name)|EdByOther (name)|Section41Approved (name)|SEN1 (name)|SEN2 (name)|SEN3 (name)
SEN4 (name)|SEN5 (name)|SEN6 (name)|SEN7 (name)|SEN8 (name)|SEN9 (name)|SEN10 (name)|SEN11 (name)|SEN12 (name)
SEN13 (name)
TypeOfResourcedProvision (name)|ResourcedProvisionOnRoll|ResourcedProvisionCapacity|SenUnitOnRoll|SenUnitCapacity
GOR (code)|GOR (name)|DistrictAdministrative (code)|DistrictAdministrative (name)|AdministrativeWard (code)
AdministrativeWard (name)|ParliamentaryConstituency (code)|ParliamentaryConstituency (name)|UrbanRural (code)
UrbanRural (name)|GSSLACode (name)|Easting|Northing|MSOA (name)|LSOA (name)|InspectorateName (name)|SENStat|SENNoStat
BoardingEstablishment (name)|PropsName|PreviousLA (code)|PreviousLA (name)|PreviousEstablishmentNumber|Country (name)
UPRN
SiteName|QABName (code)|QABName (name)|EstablishmentAccredited (code)|EstablishmentAccredited (name)|QABReport|CHNumber
MSOA (code)|LSOA (code)|FSM|AccreditationExpiryDate""".replace("\n", "|").split("|")
)
LINK_COLUMNS = ("URN", "LinkURN", "LinkName", "LinkType", "LinkEstablishedDate")

EXTRACT, LINKS = "edubasealldata20250915.csv", "links_edubasealldata20250915.csv"

_BIRMINGHAM = {"LA (code)": "330", "LA (name)": "Birmingham", "GOR (code)": "F", "GOR (name)": "West Midlands"}
_LEEDS = {"LA (code)": "383", "LA (name)": "Leeds", "GOR (code)": "D", "GOR (name)": "Yorkshire and the Humber"}
_WALES = {"LA (code)": "681", "LA (name)": "Cardiff", "GOR (code)": "W", "GOR (name)": "Wales (pseudo)"}
_TRUST = {
    "TrustSchoolFlag (name)": "Supported by a multi-academy trust",
    "Trusts (code)": "90017",
    "Trusts (name)": "Made-Up Learning Trust",
}


def _school(urn: int, name: str, kind: str, phase: str, *facts: Mapping[str, str], **dates: str) -> dict[str, str]:
    row = {
        "URN": str(urn),
        "EstablishmentNumber": str(2000 + urn % 1000),
        "EstablishmentName": name,
        "TypeOfEstablishment (name)": kind,
        "PhaseOfEducation (name)": phase,
        "EstablishmentStatus (name)": "Closed" if "closed" in dates else "Open",
        "OpenDate": dates.get("opened", ""),
        "CloseDate": dates.get("closed", ""),
        "TrustSchoolFlag (name)": "Not applicable",
        # What must not be read: made up too.
        "HeadFirstName": "Not",
        "HeadLastName": "Collected",
        "TelephoneNum": "00000000000",
    }
    for fact in facts:
        row |= fact
    return row


#: A dozen, one for each thing that rule 13 or the dates have to tell apart.
SCHOOLS: tuple[dict[str, str], ...] = (
    _school(900001, "St Zoë's Primary School", "Voluntary aided school", "Primary", _BIRMINGHAM),
    _school(
        900002, "Lower Made-Up School", "Community school", "Middle deemed primary", _BIRMINGHAM,
        opened="01-09-1931", closed="31-08-2019",
    ),
    _school(
        900003, "Made-Up Academy", "Academy converter", "Middle deemed primary", _BIRMINGHAM, _TRUST,
        opened="01-09-2019",
    ),
    _school(900004, "Fictional High School", "Foundation school", "Secondary", _LEEDS, opened="01-09-1972"),
    _school(900005, "Nowhere All-Through", "Free schools", "All-through", _LEEDS, _TRUST, opened="01-09-2014"),
    _school(900006, "Nowhere Sixth", "Free schools 16 to 19", "16 plus", _LEEDS, opened="01-09-2015"),
    _school(900007, "Imaginary Centre", "Pupil referral unit", "Not applicable", _LEEDS, opened="01-09-1998"),
    _school(900008, "Imaginary Special", "Academy special converter", "Not applicable", _BIRMINGHAM, _TRUST),
    _school(900009, "Imaginary Nursery", "Local authority nursery school", "Nursery", _BIRMINGHAM),
    _school(900010, "Imaginary College, Limited", "Other independent school", "Not applicable", _LEEDS),
    _school(
        900011, "Tomorrow Primary", "Free schools", "Primary", _LEEDS,
        {"EstablishmentStatus (name)": "Proposed to open"}, opened="01-09-2026",
    ),
    _school(
        900012, "Farewell Junior", "Community school", "Primary", _LEEDS,
        {"EstablishmentStatus (name)": "Open, but proposed to close", "CloseDate": "31-08-2026"}, opened="01-09-1950",
    ),
    _school(900013, "Ysgol Ddychmygol", "Welsh establishment", "Primary", _WALES),
)  # fmt: skip

SCHOOL_LINKS: tuple[tuple[str, ...], ...] = (
    ("900002", "900003", "Made-Up Academy", "Successor", "01-09-2019"),
    ("900003", "900002", "Lower Made-Up School", "Predecessor", "01-09-2019"),
    ("900004", "900099", "Old Fictional Girls", "Predecessor - amalgamated", ""),
    ("900006", "900005", "Nowhere All-Through", "Sixth Form Centre Link", "01-09-2015"),
)


def write(
    folder: Path,
    schools: Iterable[Mapping[str, str]] = SCHOOLS,
    links: Iterable[Iterable[str]] = SCHOOL_LINKS,
    *,
    extract: str = EXTRACT,
    encoding: str = "cp1252",
) -> tuple[Path, Path]:
    """Write an extract and its links file into a folder; the two paths."""
    one, other = folder / extract, folder / f"links_{extract}"
    with one.open("w", encoding=encoding, newline="") as text:
        rows = csv.DictWriter(text, COLUMNS, restval="", quoting=csv.QUOTE_ALL, lineterminator="\r\n")
        rows.writeheader()
        rows.writerows(schools)
    with other.open("w", encoding=encoding, newline="") as text:
        lines = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
        lines.writerow(LINK_COLUMNS)
        lines.writerows(links)
    return one, other


if __name__ == "__main__":
    write(Path(sys.argv[1]))
