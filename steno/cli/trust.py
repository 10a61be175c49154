"""The certificate authorities that the command line trusts: the system's, and those of `--ca`."""

import os
import ssl

import aiohttp

VARIABLE = "STENO_CA_FILE"
"""Names a PEM file of authorities; `steno --ca FILE` sets it."""


def context() -> ssl.SSLContext:
    """Makes a TLS context that trusts these authorities. Raises `OSError` where a file cannot be read."""
    made = ssl.create_default_context()
    if file := os.environ.get(VARIABLE):
        made.load_verify_locations(file)
    return made


def connector() -> aiohttp.TCPConnector:
    """Makes an HTTP connector that trusts these authorities. Raises like `context`."""
    return aiohttp.TCPConnector(ssl=context())
