"""Patterns of texts that come from outside, and what is wrong with a value in words that say what to do. Pure."""

PRINTABLE = r"^[^\x00-\x1F\x7F-\x9F]+$"
"""No C0 or C1 control characters (RFC 20, ECMA-48), NUL among them."""

LANGUAGE_TAG = r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$"
"""A BCP 47 language tag, by its form."""


def explained(kind: str, message: str) -> str:
    """A validation message of Pydantic, by its type, in words that say what to do."""
    if kind == "extra_forbidden":
        return "this field is not known; remove it, or put it into properties"
    if kind == "string_pattern_mismatch" and PRINTABLE in message:
        return "must not be empty or have control characters in it"
    if kind == "string_pattern_mismatch" and LANGUAGE_TAG in message:
        return "must be a language tag such as en-US"
    if kind == "string_pattern_mismatch" and "://" in message:
        return "must be an http(s) URL without a user name or password in it, percent-encoded where it is not ASCII"
    if kind == "json_invalid":
        return f"is not JSON: {message.removeprefix('Invalid JSON: ')}"
    return message.removeprefix("Value error, ")
