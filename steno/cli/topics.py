"""The command `steno topics`: lists and creates the topics of the catalogue."""

import asyncio
from dataclasses import asdict

import typer

from steno.cli.options import AsJson, examples
from steno.cli.terminal import out
from steno.errors import StenoError
from steno.events.catalogue import catalogue
from steno.kafka import create_topics, topic_name
from steno.settings import KafkaSettings, SettingsError, TopicSettings, read_group

app = typer.Typer(help="List and create the topics of Steno on a Kafka cluster.", no_args_is_help=True)


@app.command("list", epilog=examples("steno topics list", "steno topics list --json"))
def show(as_json: AsJson = False) -> None:
    """List the topics, with the prefix STENO_TOPIC_PREFIX."""
    if as_json:
        topics = read_group(TopicSettings)
        out.json([{**asdict(topic), "name": topic_name(topics, topic)} for topic in catalogue().values()])
        return
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
    out.table(("topic", "key", "records", "written by", "read by", "cleanup"), rows)


@app.command(epilog=examples("KAFKA_BOOTSTRAP_SERVERS=kafka-1:9092 steno topics create"))
def create() -> None:
    """Create missing topics on the cluster of KAFKA_BOOTSTRAP_SERVERS; existing ones are unchanged."""
    try:
        asyncio.run(create_topics(read_group(KafkaSettings), read_group(TopicSettings)))
    except (StenoError, SettingsError) as error:
        out.print_error(error)
        raise typer.Exit(1) from None
    out.print_line(f"{len(catalogue())} topics exist")
