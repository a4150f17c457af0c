"""What a user can do, told by commands that really ran: docs/stories.md is what `test_stories.py` sees."""
