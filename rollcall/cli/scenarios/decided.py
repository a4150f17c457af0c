"""What people decide at an estate's schools, published as they would: rules, and whose number is whose."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connectors import lesson_rules, pupil_aliases, source_rules
from rollcall.domain.pupil_aliases import PupilAlias, merge
from rollcall.settings import Settings
from sinks.pupil_aliases import named

if TYPE_CHECKING:
    from connectors.estate.estate import Estate
    from connectors.estate.schools import School
    from connectors.estate.upheavals import Child, Upheavals

__all__ = ["publish_alias", "publish_rules"]

_AUTHOR = "data manager"


def publish_rules(settings: Settings, turned: Upheavals) -> None:
    """That a school's new system goes before its old one (rule 10), and that mornings follow from lessons (rule 7)."""
    if turned.moved is not None:
        reason = "a school has a new register system"
        source_rules.publish(settings, turned.rules(), author=_AUTHOR, reason=reason)
    if turned.by_lessons is not None:
        reason = "no registers of mornings, but of lessons"
        rules = turned.lesson_rules()
        lesson_rules.publish(settings, turned.by_lessons.urn, rules, author=_AUTHOR, reason=reason)


def publish_alias(settings: Settings, client: Any, estate: Estate, child: Child) -> int:
    """For whom a child's second number counts; returns the pupil_id that counts for another from now on. The roster
    that has both numbers must be applied.
    """
    turned = estate.upheavals
    assert turned is not None
    own, other = (_pupil_id(client, child.school, ref) for ref in (child.ref, estate.pupils.mis_id(child.row)))
    alias = merge(other)
    if child is turned.split:
        alias = PupilAlias(other, "split", urn=child.school.urn, first_day=turned.day)
    pupil_aliases.publish(settings, own, [alias], author=_AUTHOR, reason="one child, two numbers")
    return own


def _pupil_id(client: Any, school: School, ref: str) -> int:
    (one,) = named(client, (), (school.urn, "mis", ref))
    return one.pupil_id
