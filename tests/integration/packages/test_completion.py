"""Completion in the shells themselves."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

#: What makes each shell ready, and a line of it that prints what it offers for `steno WORDS`.
OFFERS = {
    "bash": (
        "",
        "COMP_WORDS=(steno {words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); _steno_completion steno; echo ${{COMPREPLY[@]}}",
    ),
    # The first completion loads the function; `_arguments`, which shows what is offered, works in its editor only.
    "zsh": (
        "_steno; _arguments() { print -r -- $@ }",
        "words=(steno {words}); CURRENT=${{#words}}; _steno_completion",
    ),
    "fish": ("true", 'complete -C "steno {words}"'),
}
WORDS = {"dead-l": "dead-letters", "dead-letters redrive --class unknown_s": "unknown_schema", "calls --state act": "active"}


@pytest.mark.parametrize("shell", OFFERS)
def test_a_shell_completes_after_it_was_told_to(shell: str, tmp_path: Path) -> None:
    """`steno --install-completion` in the shell; the next shell offers commands, error classes, states."""
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed here")
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "ZDOTDIR"))},
        "HOME": str(tmp_path),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "TERM": "dumb",
    }

    def run(line: str, *, interactive: bool = False) -> str:
        # A second command keeps the shell there, so that `steno` finds it as its parent.
        arguments = [shell, *(["-i"] if interactive else []), "-c", f"{line}; true"]
        ran = subprocess.run(
            arguments,
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    assert f"{shell} completion installed" in run("steno --install-completion")
    ready, line = OFFERS[shell]
    said = run("; ".join(part for part in (ready, *(line.format(words=words) for words in WORDS)) if part), interactive=True)
    assert [offered for offered in WORDS.values() if offered not in said] == []
