"""Names that programs give to files while they write them: such a file gets another name once it is whole."""

from pathlib import PurePath

_SUFFIXES = frozenset(
    f".{name}" for name in (
        "part", "partial", "filepart", "tmp", "temp", "crdownload", "download", "opdownload", "inprogress", "uploading",
        "incomplete", "writing", "swp", "lock",
    )
)  # fmt: skip
"""Of browsers, of SFTP and FTP clients, of recorders and editors."""


def is_partial(name: str) -> bool:
    """Whether a file is called so: by such a suffix, a dot before it (rsync, and a Mac), or a `~` at either end."""
    return name.startswith((".", "~")) or name.endswith(("~", "._COPYING_")) or PurePath(name).suffix.lower() in _SUFFIXES
