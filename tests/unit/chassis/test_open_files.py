"""A service may have more connections than a shell begins with."""

import resource

from steno.chassis import allow_many_files


def test_the_soft_limit_of_open_files_is_raised_as_far_as_the_hard_one() -> None:
    """1,024 files are too few for a thousand calls; the hard limit stays."""
    before = soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 512), hard))
    try:
        allow_many_files()
        raised, still = resource.getrlimit(resource.RLIMIT_NOFILE)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert (raised, still) == (min(hard, 10_240), hard)


def test_a_higher_limit_is_left_as_it_is() -> None:
    """Whoever has raised it further is not overruled."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    allow_many_files()
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] >= before[0]
    resource.setrlimit(resource.RLIMIT_NOFILE, before)
