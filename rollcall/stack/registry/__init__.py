"""A small schema registry with Confluent's HTTP interface, for the embedded stack (Avro only).

`store` keeps schemas and subjects in an append-only log, `compatibility` decides, `server` speaks HTTP.
"""
