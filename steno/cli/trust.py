"""The certificate authorities that the command line trusts: a private one besides the usual ones."""

import os
import ssl

import aiohttp

VARIABLE = "STENO_CA_FILE"
"""Names a PEM file of authorities; `steno --ca FILE` sets it."""


def connector() -> aiohttp.TCPConnector:
    """Connections to a suite. Raises `OSError` where the file cannot be read."""
    context = ssl.create_default_context()
    if file := os.environ.get(VARIABLE):
        context.load_verify_locations(file)
    return aiohttp.TCPConnector(ssl=context)
