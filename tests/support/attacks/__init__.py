"""Attacks on a suite by clients with an API key, without one, and with access to Kafka; a module for each kind.

`support.attacks.table` lists them; `python -m support.attacks` runs all of them concurrently, in a separate process.
"""
