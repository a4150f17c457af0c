"""Wonde, the aggregator that gives one REST shape to many makes of MIS.

Follow a mark: `client` (paging, waiting, refusing) -> `connector.WondeConnector.pull` -> `shape.mark` (a record in our
words) -> `connectors.runner` (Kafka, cursor). The roster: `roster.roster`. Which schools: `connectors.sources`.
"""

from __future__ import annotations
