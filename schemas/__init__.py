"""The contracts: one Avro file per subject and version, the registry client and the compatibility gate."""

from __future__ import annotations
