"""The certificate authorities that this machine trusts, for programs that bring a list of their own: a company's is not in it.

`python -m steno.authorities` prints where they are, for the set-up.
"""

import os
import ssl
import sys
from pathlib import Path


def authorities() -> str:
    """The file, or the folder, of the authorities that OpenSSL goes by here, `SSL_CERT_FILE` and `SSL_CERT_DIR` among what it
    looks at; empty where there is none."""
    paths = ssl.get_default_verify_paths()
    if paths.cafile:
        return paths.cafile
    # A folder is read by the hashes of what is in it; without such names it holds nothing.
    folders = (paths.capath or "").split(os.pathsep)
    return next((folder for folder in folders if folder and any(Path(folder).glob("*.0"))), "")


if __name__ == "__main__":
    sys.stdout.write(authorities() + "\n")
