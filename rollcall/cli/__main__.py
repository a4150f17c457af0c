"""`python -m rollcall.cli`: the command line where no script is installed."""

from __future__ import annotations

from rollcall.cli.app import main

if __name__ == "__main__":
    main()
