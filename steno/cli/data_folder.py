"""The option `--data` of the commands: the data folder of a suite on this machine."""

from pathlib import Path
from typing import Annotated

import typer

Data = Annotated[Path, typer.Option(help="Data folder of the running suite.", envvar="STENO_UP_DATA")]

DEFAULT_DATA = Path("steno-data")
