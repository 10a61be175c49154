"""`steno topics`: the topics of the catalogue on a cluster."""

import asyncio

import typer
from rich.console import Console
from rich.table import Column, Table

from steno.errors import StenoError
from steno.events.catalogue import catalogue
from steno.kafka.topics import create_topics, topic_name
from steno.settings import KafkaSettings, TopicSettings

app = typer.Typer(help="The topics of Steno on a Kafka cluster.", no_args_is_help=True)

out = Console(highlight=False, soft_wrap=True)


@app.command("list")
def show() -> None:
    """List the topics, by the prefix of STENO_TOPIC_PREFIX."""
    table = Table(*(Column(name, overflow="fold") for name in ("topic", "key", "records", "written by", "cleanup")))
    for topic in catalogue().values():
        table.add_row(
            topic_name(TopicSettings(), topic), topic.key, ", ".join(topic.records), ", ".join(topic.written_by), topic.cleanup
        )
    out.print(table)


@app.command()
def create() -> None:
    """Make the topics that are missing on the cluster of KAFKA_BOOTSTRAP_SERVERS; those that are there stay as they are."""
    try:
        asyncio.run(create_topics(KafkaSettings(), TopicSettings()))
    except StenoError as error:
        out.print(f"[red]steno:[/] {error}")
        raise typer.Exit(1) from None
    out.print(f"{len(catalogue())} topics are there")
