"""Judges certificates: their dates, and why one is not trusted. Pure."""

from datetime import datetime, timedelta

from steno.doctor.findings import Finding, error, ok, warning

_SOON = timedelta(days=21)

# Verification results of OpenSSL (X509_V_ERR_…, `man X509_STORE_CTX_get_error`).
_NOT_YET, _EXPIRED, _NAME, _ADDRESS = 9, 10, 62, 64
_UNKNOWN_AUTHORITY = frozenset({2, 18, 19, 20, 21})


def judge_end(where: str, end: datetime, now: datetime) -> Finding:
    """Judges the date at which a certificate ends."""
    day = f"{end:%Y-%m-%d %H:%M} UTC"
    if end <= now:
        return error(where, f"the certificate expired on {day}", "replace it; files are read again without a restart")
    if end - now < _SOON:
        return warning(where, f"the certificate ends on {day}", "replace it before; files are read again without a restart")
    return ok(where, f"the certificate is valid until {day}")


def judge_refusal(where: str, code: int, message: str, *, trusted: str) -> Finding:
    """Judges a certificate that was not trusted.

    Args:
        code: OpenSSL's verification result.
        message: What OpenSSL says of it.
        trusted: The setting or option of the authorities that are trusted.
    """
    if code == _EXPIRED:
        return error(where, "its certificate has expired", "replace it, and check the clock of this machine")
    if code == _NOT_YET:
        return error(where, "its certificate is not valid yet", "check the clocks of both machines")
    if code in (_NAME, _ADDRESS):
        return error(
            where,
            f"its certificate is for another name: {message}",
            "connect by a name that the certificate has, or make one that has this name",
        )
    if code in _UNKNOWN_AUTHORITY:
        return error(
            where,
            f"its certificate is not of an authority that is trusted here: {message}",
            f"name the file of the authority that signed it by {trusted}",
        )
    return error(where, f"its certificate is not accepted: {message}", f"look at the certificate, and at {trusted}")
