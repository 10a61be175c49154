"""What every test may ask for."""

import gc
import uuid
from collections.abc import Generator, Iterator

import pytest
import structlog
from hypothesis import HealthCheck, settings
from support.kafka import NoKafka, running_kafka
from support.postgres import NoPostgres, Postgres, running_postgres

# How long examples take, or take to be made, says nothing on a busy machine; every test is bounded by pytest-timeout.
settings.register_profile("steno", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("steno")

# By default structlog has rich draw each traceback, which takes longer than what most tests try.
*_before, _renderer = structlog.get_config()["processors"]
structlog.configure(processors=[*_before, structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)])


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collects without looking for garbage: what is imported and collected stays, and is not looked through later either."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


@pytest.fixture(scope="session")
def kafka() -> Iterator[str]:
    """Bootstrap servers of a real Kafka, one for the session. Without one the test fails: nothing is skipped for want of it."""
    try:
        with running_kafka() as servers:
            yield servers
    except NoKafka as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture
def topic_prefix() -> str:
    """Put in front of topic and group names, so that a test has them to itself."""
    return f"t-{uuid.uuid4().hex[:8]}."


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL of its own, one for the session. Without its programs the test is left out, and says what is missing."""
    try:
        with running_postgres() as server:
            yield server
    except NoPostgres as error:
        pytest.skip(str(error))


@pytest.fixture
def postgres_url(postgres: Postgres) -> str:
    """The URL of an empty database on it."""
    return postgres.new_database()
