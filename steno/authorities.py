"""Finds the certificate authorities that this machine trusts, for programs that would use a list of their own.

A company's own authority is on the machine and not in such a list. `python -m steno.authorities` prints the path.
"""

import os
import ssl
import sys
from pathlib import Path


def authorities() -> str:
    """The file or folder of authorities that OpenSSL uses here (`SSL_CERT_FILE` and `SSL_CERT_DIR` count); empty if none."""
    paths = ssl.get_default_verify_paths()
    if paths.cafile:
        return paths.cafile
    # A folder is read by the hashes of what is in it; without such names it holds nothing.
    folders = (paths.capath or "").split(os.pathsep)
    return next((folder for folder in folders if folder and any(Path(folder).glob("*.0"))), "")


if __name__ == "__main__":
    sys.stdout.write(authorities() + "\n")
