"""The OData provision profile: what trusts ask their suppliers to serve, one entity a kind of record.

Follow a mark: `client` (the query, `@odata.nextLink`) -> `connector.ODataConnector.pull` -> `shape.mark` (a row in our
words) -> `connectors.runner` (Kafka, cursor). The roster: `roster.roster`.
"""

from __future__ import annotations
