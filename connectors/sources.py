"""The sources of an installation: which systems are pulled, how, for which schools, and from which day to which.

A source is one system of one make. It may hold several schools, and a school may be in several sources: where a new MIS
replaces an old one, the old is pulled until the day and the new from the day (rule 10; the dates are those on which we
ask, not those of sessions). A revocation stands beside the schools, so that it outlives whatever is said of them later
(rule 27). Secrets are named, never written: `env:NAME`, `file:path`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from connectors.access import DEFAULT_REQUESTS_A_SECOND, Access, secret
from connectors.contract import SCHOOL_ID
from connectors.makes import MAKES
from rollcall.errors import ConfigError

__all__ = ["Definition", "Revocation", "School", "Where", "WrongSources", "access_of", "parse"]

#: Says where an entry stands, for a message: of a source by its place, or of one of its schools.
Where = Callable[[int, int | None], str]


class WrongSources(ConfigError):  # noqa: N818 - what was found
    """Entries that cannot be taken; `complaints` has one line for each thing that is wrong."""

    def __init__(self, complaints: Sequence[str]) -> None:
        super().__init__("; ".join(complaints))
        self.complaints = tuple(complaints)


def _is_named(name: str) -> str:
    kind, _, place = name.partition(":")
    if kind not in ("env", "file") or not place.strip():
        raise ValueError("a secret is named as env:NAME or file:path; it never stands here itself")
    return name


SecretName = Annotated[str, AfterValidator(_is_named)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)


class School(_Part):
    """One school of a source. id: what the source calls it. Dates are inclusive; None has no end."""

    id: Annotated[str, StringConstraints(pattern=SCHOOL_ID)]
    urn: int = Field(ge=1, le=2**31 - 1)
    code_scheme: Annotated[str, StringConstraints(min_length=1, max_length=64)] = "national"
    secret: SecretName | None = None
    first_day: date | None = Field(None, alias="from")
    last_day: date | None = Field(None, alias="until")

    def in_force(self, today: date) -> bool:
        """Whether it is pulled on this day."""
        return (self.first_day or date.min) <= today <= (self.last_day or date.max)

    def beside(self, other: School) -> bool:
        """Whether there is a day on which both are pulled."""
        first = max(self.first_day or date.min, other.first_day or date.min)
        return first <= min(self.last_day or date.max, other.last_day or date.max)


class Revocation(_Part):
    """Permission withdrawn: for a school by its id at the source, for a URN, or (neither given) for the whole source.

    at: when it was told, UTC. reason: a few words, no name.
    """

    school: str | None = None
    urn: int | None = None
    at: datetime
    reason: str

    def covers(self, school_id: str, urn: int) -> bool:
        """Whether it forbids this school."""
        return (self.school is None and self.urn is None) or self.school == school_id or self.urn == urn

    def aims_at(self, school_id: str | None, urn: int | None) -> bool:
        """Whether it was told of exactly this."""
        return (self.school, self.urn) == (school_id, urn)


class Definition(_Part):
    """One source. name: the `source` of its marks, the label of its metrics, the folder of its state.

    base_url: the address, or what the make has instead. requests_a_second: over all its schools. options: what only the
    make understands. schools: none named means those that the source says we may read.
    """

    make: str
    name: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,31}$")]
    base_url: Annotated[str, StringConstraints(min_length=1, max_length=500)]
    secret: SecretName | None = None
    requests_a_second: float = Field(DEFAULT_REQUESTS_A_SECOND, gt=0, le=10_000)
    options: Mapping[str, str] = {}
    schools: tuple[School, ...] = ()
    revoked: tuple[Revocation, ...] = ()

    @cached_property
    def places(self) -> frozenset[tuple[str, int]]:
        """Id and URN of the named schools: asked at every page of every school, of which there may be 24,500."""
        return frozenset((one.id, one.urn) for one in self.schools)

    def why_not(self, school_id: str, urn: int) -> str | None:
        """Why this school may not be pulled now; None when it may. Its dates are not looked at."""
        for revocation in self.revoked:
            if revocation.covers(school_id, urn):
                return f"permission was revoked at {revocation.at:%Y-%m-%d %H:%M} UTC: {revocation.reason}"
        if self.schools and (school_id, urn) not in self.places:
            return f"it is no longer among the schools of {self.name}"
        return None

    def to_pull(self, today: date) -> tuple[School, ...]:
        """The named schools that are pulled on this day and may be."""
        return tuple(
            school for school in self.schools if school.in_force(today) and self.why_not(school.id, school.urn) is None
        )

    def with_schools(self, schools: Sequence[School]) -> Definition:
        """The same source with these schools."""
        # Made anew and not copied: a copy would keep the places of these.
        return self.model_construct(**{**dict(self), "schools": tuple(schools)})


def parse(document: Any, where: Where) -> tuple[Definition, ...]:
    """Definitions from a document `{"sources": [{..., "schools": [...]}]}`; all of them, or WrongSources naming every
    entry and field that is wrong. No message holds a value that might be a secret."""
    if not isinstance(document, Mapping) or not isinstance(document.get("sources"), list):
        raise WrongSources(["a list named sources is wanted"])
    complaints = [f"{name}: no such field" for name in document if name != "sources"]
    found: list[Definition] = []
    for place, given in enumerate(document["sources"]):
        if not isinstance(given, Mapping):
            complaints.append(f"{where(place, None)}: fields are wanted")
            continue
        schools = _schools(given.get("schools", []), place, where, complaints)
        head = {"name": given.get("make"), **given, "schools": ()}
        try:
            source = Definition.model_validate(head).with_schools(schools)
        except ValidationError as error:
            complaints += [f"{where(place, None)}: {said}" for said in _said(error)]
            continue
        complaints += [f"{where(place, None)}: {said}" for said in _make_says(source)]
        if any(source.name == other.name for other in found):
            complaints.append(f"{where(place, None)}: name: another source is called {source.name}")
        found.append(source)
    if complaints:
        raise WrongSources(complaints)
    return tuple(found)


def _schools(given: Any, place: int, where: Where, complaints: list[str]) -> list[School]:
    if not isinstance(given, list):
        complaints.append(f"{where(place, None)}: schools: a list is wanted")
        return []
    found: list[School] = []
    alike: defaultdict[str | int, list[School]] = defaultdict(list)
    for number, one in enumerate(given):
        try:
            school = School.model_validate(one)
        except ValidationError as error:
            complaints += [f"{where(place, number)}: {said}" for said in _said(error)]
            continue
        complaints += [f"{where(place, number)}: {said}" for said in _clashes(school, alike)]
        found.append(school)
        alike[school.id].append(school)
        alike[school.urn].append(school)
    return found


def _clashes(school: School, alike: Mapping[str | int, Sequence[School]]) -> Iterator[str]:
    """alike: the schools before it, by id (text) and by URN (a number): a source may have the nation's."""
    if school.first_day and school.last_day and school.first_day > school.last_day:
        yield "until: it is before from"
    for other in alike.get(school.id, ()):
        if school.beside(other):
            yield f"id: {school.id} stands there already for these days"
    for other in alike.get(school.urn, ()):
        if school.beside(other):
            yield f"urn: {school.urn} stands there already for these days, as {other.id}"


def _make_says(source: Definition) -> Iterator[str]:
    make = MAKES.get(source.make)
    if make is None:
        yield f"make: there is no make {source.make}; there are {', '.join(MAKES)}"
        return
    wrong = make.address(source.base_url)
    if wrong is not None:
        yield f"base_url: {wrong}"
    if make.needs_secret and source.secret is None:
        without = [school.id for school in source.schools if school.secret is None]
        if without or not source.schools:
            yield f"secret: name one, for the source or for {', '.join(without[:5]) or 'each of its schools'}"


def _said(error: ValidationError) -> Iterator[str]:
    for one in error.errors(include_input=False, include_url=False):
        field = ".".join(str(part) for part in one["loc"])
        message = "no such field" if one["type"] == "extra_forbidden" else one["msg"].removeprefix("Value error, ")
        yield f"{field}: {message[:1].lower()}{message[1:]}" if field else message


def access_of(source: Definition, schools: Sequence[School], folder: Path) -> tuple[Access | None, dict[str, str]]:
    """What lets these schools of a source be read, and why others cannot be: their id -> one line.

    `folder`: where relative secret files are. None when no school is left. A secret that is missing for one school
    keeps the others from nothing. Raises ConfigError when the source names no schools and has no secret in force.
    """
    common: str | None = None
    why_none = "no secret is named for it"
    try:
        if source.secret is not None:
            common = secret(source.secret, folder)
        elif not MAKES[source.make].needs_secret:
            common = ""
    except ConfigError as error:
        if not source.schools:
            raise
        why_none = str(error)
    own: dict[str, str] = {}
    failing: dict[str, str] = {}
    for school in schools:
        try:
            if school.secret is not None:
                own[school.id] = secret(school.secret, folder)
            elif common is None:
                failing[school.id] = why_none
        except ConfigError as error:
            failing[school.id] = str(error)
    good = [(one.id, one.urn, one.code_scheme) for one in schools if one.id not in failing]
    if source.schools and not good:
        return None, failing
    base_url, pace = source.base_url, source.requests_a_second
    return Access.of(source.name, base_url, common, good, own, pace, source.options), failing
