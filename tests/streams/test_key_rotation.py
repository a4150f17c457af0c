"""A new key for UPNs: the same pupils under new hashes, one mark each (docs/data-protection.md, rule 27)."""

from __future__ import annotations

from datetime import timedelta

from rollcall.domain.upn import SCHEME, keyed
from sinks import reference
from tests.reference.conftest import TAKEN, applied, pupil
from tests.streams.messages import URN, at, mark, register
from tests.streams.rig import Rig
from tests.streams.town import roster_of

#: A made-up UPN with its right check letter, and two keys.
UPN = "H801200001001"
OLD, NEW = keyed(UPN, bytes(32), "k1"), keyed(UPN, bytes(range(32)), "k2")


def test_a_pupil_keeps_number_and_marks_under_a_new_key(rig: Rig) -> None:
    assert OLD != NEW
    before = roster_of(URN, pupil("mis:A12", f"{SCHEME}:{OLD}"), taken_at=TAKEN + timedelta(days=1))
    after = roster_of(URN, pupil("mis:A12", f"{SCHEME}:{NEW}"), taken_at=TAKEN + timedelta(days=2))
    reference.apply(rig.client, [applied("roster", before)], {})
    with rig.worker():
        rig.done(register(mark(OLD, "N", scheme=SCHEME)))
    reference.apply(rig.client, [applied("roster", after)], {})
    with rig.worker():
        (fates,) = rig.done(register(mark(NEW, "L", 10, scheme=SCHEME), submitted_at=at(30)))
        # A source that still has the old key is understood as well.
        (late,) = rig.done(register(mark(OLD, "L", 12, scheme=SCHEME), submitted_at=at(40)))
    assert [fate.outcome for fate in (*fates, *late)] == ["accepted", "accepted"]
    numbers = rig.client.query("SELECT uniqExact(pupil_id), count() FROM mark_event FINAL").result_rows
    assert numbers == [(1, 3)]
    assert rig.current() == {(URN, "A12", "AM"): ("classroom", "L", "L")}
    assert rig.client.query("SELECT minutes_late FROM mark_current FINAL").result_rows == [(12,)]
    rig.check()
