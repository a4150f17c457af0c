"""The real ClickHouse engine (chDB) in a process of its own, behind ClickHouse's HTTP interface.

`request` reads what a client asks, `engine` runs it, `bodies` moves the bytes, `front` is the server.
"""
