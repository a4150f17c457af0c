"""The agents: what is done event by event or now and then, on Faust. The marks' own path is `streams/worker.py`.

`harness` holds Faust and its traps; `kiosk` turns sign-ins into evidence, `alerts` says what a person should look at.
"""

from __future__ import annotations
