"""The CSV drop: a watched folder that a management information system exports into, for every make that has no API.

Follow a file: `folder` (waits until it is whole, claims it) -> `export.inspect` (encoding, separator, columns, the form
of its dates; or why it is refused) -> `connector.CsvDropConnector.pull` (page by page) -> `shape.mark` (a row in our
words) -> `connectors.runner` (Kafka) -> `folder` again (the place in the file remembered, the file put away).
The roster: `roster.read`. What a source's options may say: `options.Options`.
"""

from __future__ import annotations
