"""Publishing aliases of pupils: whom the marks of a pupil_id count for. A message is all that is said of it."""

from __future__ import annotations

from collections.abc import Sequence

from connectors.encoding import Encoder
from connectors.publisher import Publisher
from rollcall.domain.clock import now, to_the_millisecond
from rollcall.domain.pupil_aliases import PupilAlias, check
from rollcall.errors import UsageError
from rollcall.settings import Settings

__all__ = ["TOPIC", "publish"]

TOPIC = "reference.pupil-alias.v1"


def publish(settings: Settings, pupil_id: int, aliases: Sequence[PupilAlias], *, author: str, reason: str) -> None:
    """Publish the aliases of a pupil, none to undo them, and wait until Kafka has them.

    `author` is a role or a staff reference, no name. Raises UsageError, KafkaError, RegistryAway, SchemaError.
    """
    try:
        check(str(pupil_id), aliases)
    except ValueError as error:
        raise UsageError(str(error)) from None
    record = {
        "pupil_id": str(pupil_id),
        "published_at": to_the_millisecond(now()),
        "author": author,
        "reason": reason,
        "aliases": [{**one._asdict(), "to_pupil_id": str(one.to_pupil_id)} for one in aliases],
    }
    encoder = Encoder(settings.registry.url)
    with Publisher(settings.kafka.client_config(), client_id="rollcall-pupil-aliases") as publisher:
        publisher.publish(TOPIC, str(pupil_id).encode(), encoder.encode(TOPIC, record)).result()
