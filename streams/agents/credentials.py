"""Who we are to a broker that asks, in Faust's words."""

from __future__ import annotations

import ssl
from typing import Any

from faust.auth import SASLCredentials, SSLCredentials

from rollcall.settings import KafkaSettings

__all__ = ["credentials"]


def credentials(kafka: KafkaSettings) -> Any:
    """What Faust needs of the settings for a broker that asks who we are; None for one that does not."""
    if kafka.security_protocol == "plaintext":
        return None
    context = None
    if kafka.security_protocol.endswith("ssl"):
        context = ssl.create_default_context(
            cafile=None if kafka.ssl_ca_location is None else str(kafka.ssl_ca_location)
        )
    if kafka.security_protocol == "ssl":
        return SSLCredentials(context)
    password = "" if kafka.sasl_password is None else kafka.sasl_password.get_secret_value()
    return SASLCredentials(
        username=kafka.sasl_username, password=password, mechanism=kafka.sasl_mechanism or "PLAIN", ssl_context=context
    )
