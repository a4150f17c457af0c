"""What `rollcall bench` runs: each measurement with its check against the answer key."""

from __future__ import annotations
