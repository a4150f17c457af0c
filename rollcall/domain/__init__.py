"""The domain's own words: codes, findings, time, pupils' identity, phases. No input or output beyond the key file.

`rule N` in a docstring is a rule of docs/rules.md.
"""

from __future__ import annotations
