"""The nine regions of England: the letter GIAS gives each, and the code statistics are published under.

Source: GIAS's columns "GOR (code)" and "GOR (name)"; the Office for National Statistics' codes E12000001 to E12000009.
"""

from __future__ import annotations

__all__ = ["REGIONS"]

#: GIAS's letter -> statistical code. GIAS has other letters for what is none of England's nine (Wales, not applicable).
REGIONS: dict[str, str] = {
    "A": "E12000001",  # North East
    "B": "E12000002",  # North West
    "D": "E12000003",  # Yorkshire and the Humber
    "E": "E12000004",  # East Midlands
    "F": "E12000005",  # West Midlands
    "G": "E12000006",  # East of England
    "H": "E12000007",  # London
    "J": "E12000008",  # South East
    "K": "E12000009",  # South West
}
