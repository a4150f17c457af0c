"""What a sender may say: the JSON of one register, and the Kafka record it becomes.

Refused here is only what cannot be read: a missing field, a wrong type, a text where a code should be. What can be read
is accepted however odd (a date far off, a code nobody knows, a pupil nobody knows): the worker judges it by the roster
and the maps, with a named reason, and it can be healed there. Fields we do not know are refused by name, because a
comment or a pupil's name sent along must not even be taken in (rule 27).
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from connectors.encoding import days
from connectors.ingest.times import shown_twice, since_1970_ms
from connectors.pupils import UpnKey

__all__ = ["TOPIC", "Amendment", "MarkIn", "Reference", "RegisterIn", "ambiguous_times", "to_record"]

TOPIC = "attendance.register.v1"


#: A reference is an id, never a name: no spaces.
Reference = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._:/@+-]{1,64}$")]
#: What a source calls a pupil. Its own business, but short.
PupilReference = Annotated[str, StringConstraints(min_length=1, max_length=64)]
Label = Annotated[str, StringConstraints(min_length=1, max_length=64)]
#: Raw, as the source has it. The worker refuses a code over 8 characters (it may be a comment) and can show how often.
RawCode = Annotated[str, StringConstraints(max_length=256)]


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class Amendment(_Strict):
    """What the law wants kept of a changed mark (rule 26): references and codes, never names or free text."""

    original_code: RawCode = Field(description="The code before.", examples=["N"])
    reason_code: Reference = Field(description="Why, as a code.", examples=["PARENT-CALLED"])
    staff_ref: Reference = Field(description="Who, as the MIS's staff id.", examples=["S012"])
    staff_position: Label = Field(description="Their position.", examples=["attendance officer"])
    evidence: Literal["kiosk", "parent_message", "medical", "none"]
    amended_at: datetime = Field(description="When, ISO 8601.", examples=["2025-09-10T10:02:11Z"])


class MarkIn(_Strict):
    """One pupil's mark. The pupil is named by exactly one of `upn` and `mis_id`."""

    upn: Annotated[str, StringConstraints(min_length=1, max_length=20)] | None = Field(
        None, description="Unique Pupil Number. Leaves this API only as a keyed hash.", examples=["A823432112345"]
    )
    mis_id: PupilReference | None = Field(None, description="The pupil's id in the school's MIS.", examples=["10443"])
    code: RawCode = Field(description="The code as the source has it; '-' or empty means no mark.", examples=["/"])
    minutes_late: int | None = Field(None, ge=0, le=1440, description="Minutes after the session began.")
    amendment: Amendment | None = None

    @model_validator(mode="after")
    def _one_reference(self) -> MarkIn:
        if (self.upn is None) == (self.mis_id is None):
            raise ValueError("name the pupil by exactly one of upn and mis_id")
        return self


class RegisterIn(_Strict):
    """One register: the marks of one group for one session (or one lesson, when `period` is given)."""

    submission_id: UUID = Field(
        description="Yours, one for each submission. A repeat carries the same id and is harmless.",
        examples=["0b8f7a52-6f0e-4a39-9a53-0a2d1c6a7f11"],
    )
    urn: int = Field(ge=1, le=2**31 - 1, description="The school (GIAS).", examples=[123456])
    group_id: Label = Field(description="Registration group or class.", examples=["7A"])
    session_date: date = Field(description="The school's own day, YYYY-MM-DD.", examples=["2025-09-10"])
    session: Literal["AM", "PM"]
    period: Label | None = Field(None, description="Lesson period; absent for a session register.")
    complete: bool = Field(description="True: the whole group. False: an amendment of some marks.")
    revision: int = Field(ge=1, le=2**31 - 1, description="Your running number of this register, from 1.", examples=[1])
    opened_at: datetime | None = Field(None, description="ISO 8601; without an offset it is London time.")
    closed_at: datetime | None = Field(None, description="ISO 8601; without an offset it is London time.")
    submitted_at: datetime = Field(
        description="When the marks were said, ISO 8601; without an offset it is London time. The latest wins.",
        examples=["2025-09-10T08:55:03+01:00"],
    )
    taken_by: Reference | None = Field(None, description="Staff id, never a name.", examples=["S012"])
    code_scheme: Reference = Field("national", description="Vocabulary of the codes: national, or your own map's name.")
    marks: list[MarkIn] = Field(description="May be empty: the register was opened and nobody was marked.")


def ambiguous_times(register: RegisterIn) -> list[str]:
    """JSON pointers of times without an offset that London's clocks showed twice; the earlier is taken (rule 8)."""
    times = {"/opened_at": register.opened_at, "/closed_at": register.closed_at, "/submitted_at": register.submitted_at}
    for item, mark in enumerate(register.marks):
        if mark.amendment is not None:
            times[f"/marks/{item}/amendment/amended_at"] = mark.amendment.amended_at
    return [pointer for pointer, time in times.items() if time is not None and shown_twice(time)]


def to_record(register: RegisterIn, source: str, upn_key: UpnKey) -> dict[str, Any]:
    """The record for `attendance.register.v1`. UPNs become keyed hashes here and go no further.

    source: the system the API key stands for. upn_key: makes the references of UPNs.
    Dates are days and times milliseconds since 1970-01-01 UTC, as the schema's logical types want them.
    """
    marks: list[dict[str, Any]] = []
    amendments: list[dict[str, Any]] = []
    for item, mark in enumerate(register.marks):
        if mark.upn is not None:
            scheme, ref = upn_key.reference(mark.upn)
        else:
            assert mark.mis_id is not None
            scheme, ref = "mis", mark.mis_id
        marks.append({"pupil_ref": ref, "pupil_scheme": scheme, "code": mark.code, "minutes_late": mark.minutes_late})
        if mark.amendment is not None:
            amended = mark.amendment
            amendments.append(
                {
                    "item": item,
                    "original_code": amended.original_code,
                    "reason_code": amended.reason_code,
                    "staff_ref": amended.staff_ref,
                    "staff_position": amended.staff_position,
                    "evidence": amended.evidence,
                    "amended_at": since_1970_ms(amended.amended_at),
                }
            )
    return {
        "submission_id": str(register.submission_id),
        "urn": register.urn,
        "source": source,
        "group_id": register.group_id,
        "session_date": days(register.session_date),
        "session": register.session,
        "period": register.period,
        "complete": register.complete,
        "revision": register.revision,
        "opened_at": None if register.opened_at is None else since_1970_ms(register.opened_at),
        "closed_at": None if register.closed_at is None else since_1970_ms(register.closed_at),
        "submitted_at": since_1970_ms(register.submitted_at),
        "taken_by": register.taken_by,
        "code_scheme": register.code_scheme,
        "marks": marks,
        "amendments": amendments,
    }
