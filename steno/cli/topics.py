"""The command `steno topics`: lists and creates the topics of the catalogue."""

import asyncio

import typer

from steno.cli.terminal import out
from steno.errors import StenoError
from steno.events.catalogue import catalogue
from steno.kafka import create_topics, topic_name
from steno.settings import KafkaSettings, SettingsError, TopicSettings, read_group

app = typer.Typer(help="List and create the topics of Steno on a Kafka cluster.", no_args_is_help=True)


@app.command("list")
def show() -> None:
    """List the topics, with the prefix STENO_TOPIC_PREFIX."""
    rows = [
        (
            topic_name(TopicSettings(), topic),
            topic.key,
            ", ".join(topic.records),
            ", ".join(topic.written_by),
            ", ".join(topic.read_by),
            topic.cleanup,
        )
        for topic in catalogue().values()
    ]
    out.table(("topic", "key", "records", "written by", "read by", "cleanup"), rows, fold=True)


@app.command()
def create() -> None:
    """Create missing topics on the cluster of KAFKA_BOOTSTRAP_SERVERS; existing ones are unchanged."""
    try:
        asyncio.run(create_topics(read_group(KafkaSettings), read_group(TopicSettings)))
    except (StenoError, SettingsError) as error:
        out.print_error(error)
        raise typer.Exit(1) from None
    out.print_line(f"{len(catalogue())} topics exist")
