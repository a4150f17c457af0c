"""The schools of the simulated estate: a trust that spans several LAs, or any number up to the nation.

No school here exists: names say what they are, URNs are taken from a block of their own. LA and region codes are the
real ones (DfE, school enrolments by LA, January 2024), because reports join on them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from connectors.estate.makes import MAKES, MIX

__all__ = ["DIALECT", "FIRST_URN", "LAS", "SOURCES", "School", "make_schools"]

FIRST_URN = 140_001

#: The code scheme of posting schools with a dialect; a pulled school with one has a scheme of its own.
DIALECT = "trust-dialect"

#: LA code, name, region code, region name.
LAS: tuple[tuple[str, str, str, str], ...] = (
    ("306", "Croydon", "E12000007", "London"),
    ("210", "Southwark", "E12000007", "London"),
    ("208", "Lambeth", "E12000007", "London"),
    ("319", "Sutton", "E12000007", "London"),
    ("301", "Barking and Dagenham", "E12000007", "London"),
    ("883", "Thurrock", "E12000006", "East of England"),
    ("886", "Kent", "E12000008", "South East"),
    ("330", "Birmingham", "E12000005", "West Midlands"),
    ("380", "Bradford", "E12000003", "Yorkshire and The Humber"),
    ("352", "Manchester", "E12000002", "North West"),
    ("840", "County Durham", "E12000001", "North East"),
    ("891", "Nottinghamshire", "E12000004", "East Midlands"),
    ("801", "Bristol, City of", "E12000009", "South West"),
    ("850", "Hampshire", "E12000008", "South East"),
    ("935", "Suffolk", "E12000006", "East of England"),
    ("383", "Leeds", "E12000003", "Yorkshire and The Humber"),
    ("878", "Devon", "E12000009", "South West"),
)

#: The systems that send registers to the ingest API; each has a key of its own.
SOURCES: tuple[str, ...] = ("classroom", "tutor-app")

#: Share of schools and mean pupils by phase: a trust like Harris Federation, and England (January 2024).
_TRUST_MIX = (("Primary", 0.46, 390.0), ("Secondary", 0.46, 1140.0), ("Special", 0.05, 130.0), ("PRU/AP", 0.03, 60.0))
_NATION_MIX = (
    ("Primary", 0.752, 271.0),
    ("Secondary", 0.157, 1021.0),
    ("Special", 0.050, 136.0),
    ("PRU/AP", 0.015, 40.0),
    ("Nursery", 0.026, 98.0),
)
_NATION_FROM = 500

_TYPES = {
    "Primary": "Academy converter",
    "Secondary": "Academy sponsor led",
    "Special": "Academy special converter",
    "PRU/AP": "Academy alternative provision converter",
    "Nursery": "Local authority nursery school",
}
#: When registers open and close, by phase, HH:MM local: morning, then afternoon (open at most 30 minutes).
_TIMES = {
    "Primary": ("08:50", "09:15", "13:00", "13:20"),
    "Secondary": ("08:35", "09:00", "13:30", "13:55"),
}


@dataclass(frozen=True, slots=True)
class School:
    """One school. `feed` says how its marks travel: 'register' (ingest API), 'pull' (from its MIS) or 'both'; `make` of
    which make its MIS is, pulled or not."""

    index: int
    urn: int
    name: str
    phase: str
    establishment_type: str
    la_code: str
    la_name: str
    region_code: str
    region_name: str
    trust_id: str | None
    trust_name: str | None
    feed: str
    make: str
    source: str
    pupil_scheme: str
    code_scheme: str
    times: tuple[str, str, str, str]
    pupils: int
    sixth_form: bool
    nursery_class: bool
    boarding: bool
    lessons: bool

    @property
    def source_id(self) -> str:
        """The school's id at its MIS."""
        return MAKES[self.make].school_id(self.index, self.urn)

    @property
    def pulled(self) -> bool:
        """Whether the school is pulled from its MIS."""
        return self.feed != "register"

    def pulled_from(self, make: str) -> bool:
        """Whether the school is pulled from an MIS of this make."""
        return self.pulled and self.make == make

    @property
    def tells_mis_id(self) -> bool:
        """Whether its roster has the ids that other systems of the school use."""
        return not self.pulled or MAKES[self.make].tells_mis_id

    @property
    def posts(self) -> bool:
        """Whether the school's registers are posted to the ingest API."""
        return self.feed != "pull"

    @property
    def pulled_scheme(self) -> str:
        """Vocabulary of the codes in its MIS: the school's own when it has local display codes."""
        return "national" if self.code_scheme == "national" else f"{self.make}:{self.urn}"

    def pupil_id(self, row: int) -> str:
        """What its MIS calls a pupil; the scheme of these ids is the make's name."""
        return MAKES[self.make].pupil_id(row)


def make_schools(
    seed: int, schools: int, pupils: int, feeds: str = "mixed", makes: Sequence[str] = MIX, few: str | None = None
) -> list[School]:
    """`schools` schools that hold exactly `pupils` pupils, the same for the same arguments.

    feeds: with 'mixed', feeds alternate, so that half of each phase is pulled, by turns from each of `makes`; one
    pulled school in twelve also posts registers, so that sources meet (rule 17). 'register' or a make: all schools.
    few: a make of which the smallest pulled school is, if there are others of the make that it would have been of.
    Raises ValueError when there are fewer than two pupils a school, or a make is none.
    """
    if not makes or {*makes, few or makes[0]} - set(MAKES):
        raise ValueError(f"makes: of {', '.join(MAKES)}, not {', '.join(makes) or 'none'}")
    if feeds not in ("mixed", "register", *MAKES):
        raise ValueError(f"feeds: mixed, register or a make ({', '.join(MAKES)}), not {feeds!r}")
    if schools < 1 or pupils < 2 * schools:
        raise ValueError(f"{schools} schools need at least {2 * max(schools, 1)} pupils, not {pupils}")
    random = np.random.default_rng([seed, 1])
    nation = schools >= _NATION_FROM
    phases, means = _phases(schools, _NATION_MIX if nation else _TRUST_MIX)
    sizes = _sizes(random, means, pupils)
    made = []
    seen_of_phase: dict[str, int] = {}
    pulled = 0
    for index, (phase, size) in enumerate(zip(phases, sizes.tolist(), strict=True)):
        nth = seen_of_phase.get(phase, 0)
        seen_of_phase[phase] = nth + 1
        # Phases begin on different feeds, so that two special schools do not both land on one.
        feed = "register" if (nth + len(seen_of_phase)) % 2 else "pull"
        if feed == "pull":
            pulled += 1
            feed = "both" if pulled % 12 == 2 else "pull"
        make = makes[(pulled + pulled // 12) % len(makes)]
        if feeds in MAKES:
            feed, make = "pull", feeds
        elif feeds == "register":
            feed = feeds
        told = feed == "register" or MAKES[make].tells_mis_id
        la = LAS[index * 5 % (len(LAS) if nation else 7)]
        trust = (
            (f"{16000 + index // 12}", f"Trust {index // 12:04d}") if nation else ("16001", "Rollcall Learning Trust")
        )
        made.append(
            School(
                index=index,
                urn=FIRST_URN + index,
                name=f"{phase} Academy {index + 1:0{len(str(schools))}d}",
                phase=phase,
                establishment_type=_TYPES[phase],
                la_code=la[0],
                la_name=la[1],
                region_code=la[2],
                region_name=la[3],
                trust_id=trust[0],
                trust_name=trust[1],
                feed=feed,
                make=make,
                source=SOURCES[nth // 2 % len(SOURCES)],
                pupil_scheme="upn" if nth % 3 == 0 or not told else "mis",
                code_scheme=DIALECT if nth % 5 in (2, 3) else "national",
                times=_TIMES.get("Primary" if phase in ("Primary", "Nursery") else "Secondary", _TIMES["Primary"]),
                pupils=size,
                sixth_form=phase == "Secondary" and nth % 2 == 0,
                nursery_class=phase == "Nursery" or (phase == "Primary" and nth % 6 == 0),
                boarding=phase == "Secondary" and nth % 11 == 4,
                lessons=phase == "Secondary" and nth % 3 != 2,
            )
        )
    return made if few is None else _with_few(made, few)


def _with_few(made: list[School], few: str) -> list[School]:
    pulled = [school for school in made if school.pulled]
    alone = {make for make in MAKES if sum(school.make == make for school in pulled) == 1}
    small = min((one for one in pulled if one.posts is False and one.make not in alone), key=_size, default=None)
    return [replace(school, make=few) if school is small else school for school in made]


def _size(school: School) -> int:
    return school.pupils


def _phases(schools: int, mix: tuple[tuple[str, float, float], ...]) -> tuple[list[str], np.ndarray]:
    counts = {phase: max(1, round(share * schools)) for phase, share, _ in mix[1:]}
    while sum(counts.values()) >= schools and len(counts) > 0:
        counts.popitem()  # very small estates: the rarest phases go first
    counts = {mix[0][0]: schools - sum(counts.values()), **counts}
    mean = {phase: pupils for phase, _, pupils in mix}
    phases = [phase for phase, count in counts.items() for _ in range(count)]
    return phases, np.array([mean[phase] for phase in phases])


def _sizes(random: np.random.Generator, means: np.ndarray, pupils: int) -> np.ndarray:
    """Whole sizes around the phase's mean that add up to `pupils`, none under 2."""
    weights = means * random.lognormal(0.0, 0.25, len(means))
    sizes: np.ndarray = np.maximum(2, np.floor(weights / weights.sum() * pupils)).astype(np.int64)
    while (gap := pupils - int(sizes.sum())) != 0:
        step = 1 if gap > 0 else -1
        order = np.argsort(-sizes)[: abs(gap)]
        room = order[sizes[order] + step >= 2]
        sizes[room] += step
    return sizes
