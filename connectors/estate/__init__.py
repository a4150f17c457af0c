"""The simulated school estate: the same APIs as real schools, served from one truth that knows the right answer."""

from __future__ import annotations
