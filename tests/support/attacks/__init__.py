"""Attacks, a module a kind: what somebody with a key of his own, somebody without one, and somebody at Kafka may try.

`support.attacks.table` lists them; `python -m support.attacks` lets all happen side by side, from a process of its own.
"""
