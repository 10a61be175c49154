"""Regular expressions for the URLs that clients send, as shown in the OpenAPI document. Pure.

Source: RFC 3986, without a user name or password, host names that are not ASCII (a client sends their `xn--` form), and IPv6
addresses with an embedded IPv4 address or a zone.
"""

_NAME = r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?"
_GROUP = r"[0-9A-Fa-f]{1,4}"
# Eight groups, or fewer around one `::` (RFC 4291 §2.2).
_IPV6 = "|".join(
    [
        f"({_GROUP}:){{7}}{_GROUP}",
        f"({_GROUP}:){{1,7}}:",
        *(f"({_GROUP}:){{1,{7 - after}}}(:{_GROUP}){{1,{after}}}" for after in range(1, 7)),
        f":(:{_GROUP}){{1,7}}",
        "::",
    ]
)
_PORT = r"([0-9]{1,4}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"


def url_pattern(*schemes: str) -> str:
    """Returns a regular expression that a whole URL of one of the schemes matches."""
    return rf"^({'|'.join(schemes)})://({_NAME}|\[({_IPV6})\])(:{_PORT})?([/?][!-~]*)?$"
