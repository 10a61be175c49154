"""Reads the dates of certificates by TLS itself: those that a server presents, and those in files."""

import asyncio
import ssl
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from steno.doctor.certificates import judge_end, judge_refusal
from steno.doctor.findings import Finding, error, ok

_CONNECT_SECONDS = 5.0


async def probe(address: str, context: ssl.SSLContext | None, *, trusted: str, now: datetime) -> list[Finding]:
    """Connects to HOST:PORT, by TLS with a context, and judges what came of it.

    Args:
        trusted: The setting or option of the authorities that the context trusts.
    """
    host, _, port = address.rpartition(":")
    try:
        async with asyncio.timeout(_CONNECT_SECONDS):
            _, writer = await asyncio.open_connection(host.strip("[]"), int(port), ssl=context)
    except ssl.SSLCertVerificationError as refused:
        return [judge_refusal(address, refused.verify_code, refused.verify_message, trusted=trusted)]
    except ssl.SSLError as failure:
        return [
            error(address, f"no TLS connection: {failure.reason or failure}", "check that this port speaks TLS, and its log")
        ]
    except TimeoutError:
        todo = "check the address, and what drops packets on the way (firewall, network policy, security group)"
        return [error(address, f"no connection within {_CONNECT_SECONDS:g} s", todo)]
    except (OSError, ValueError) as failure:
        return [error(address, f"no connection: {failure}", "check the address, and that the server runs")]
    try:
        certificate: dict[str, Any] | None = writer.get_extra_info("peercert")
        return [judge_end(address, _end(certificate), now)] if certificate else [ok(address, "it accepts connections")]
    finally:
        writer.transport.abort()
        with suppress(OSError):
            await writer.wait_closed()


def judge_files(certificate: Path, key: Path | None, *, now: datetime) -> list[Finding]:
    """Judges the files of a certificate, its chain and its key, which may be in the same file."""
    where = str(certificate)
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    # The certificate itself is what is trusted: only its dates count here.
    client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    try:
        server.load_cert_chain(certificate, key, password=lambda: "")
        client.load_verify_locations(certificate)
        return [judge_end(where, _end(_presented(server, client)), now), *judge_authorities(client, where, now)]
    except ssl.SSLCertVerificationError as refused:
        return [judge_refusal(where, refused.verify_code, refused.verify_message, trusted="the authority's file")]
    except OSError as failure:
        todo = "give PEM files: the certificate with its chain, and its key without a password"
        return [error(where, f"it is not a certificate with its key: {failure}", todo)]


def judge_authority_file(file: Path, *, now: datetime) -> list[Finding]:
    """Judges a file of authorities."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(file)
    except OSError as failure:
        return [error(str(file), f"it holds no authorities: {failure}", "give a PEM file of the authorities' certificates")]
    return judge_authorities(context, str(file), now) or [ok(str(file), "its authorities are valid")]


def judge_authorities(context: ssl.SSLContext, where: str, now: datetime) -> list[Finding]:
    """Judges the authorities of a context that end soon."""
    found: Sequence[Any] = context.get_ca_certs()
    judged = [judge_end(f"{where}, authority {_name(entry)}", _end(entry), now) for entry in found]
    return [finding for finding in judged if finding.severity]


def _presented(server: ssl.SSLContext, client: ssl.SSLContext) -> dict[str, Any]:
    """The certificate that a server of these files presents, by a handshake in memory."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(to_client, to_server, server_side=False),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    left = list(ends)
    while left:
        end = left.pop(0)
        try:
            end.do_handshake()
        except ssl.SSLWantReadError:
            left.append(end)
    return dict(ends[0].getpeercert() or {})


def _end(certificate: dict[str, Any] | None) -> datetime:
    return datetime.fromtimestamp(ssl.cert_time_to_seconds((certificate or {})["notAfter"]), UTC)


def _name(certificate: dict[str, Any]) -> str:
    names = dict(pair for part in certificate.get("subject", ()) for pair in part)
    return str(names.get("commonName") or names.get("organizationName") or "without a name")
