"""Snapshots: named pulls of every school at cut-offs of one day, and who has answered at each."""
