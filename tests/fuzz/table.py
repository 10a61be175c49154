"""The table of the targets: every parser of what comes from outside."""

from collections.abc import Mapping

from fuzz.target import Target
from fuzz.targets import answers, audio, doors, entrances, records, rows, texts

TARGETS: Mapping[str, Target] = {
    target.name: target
    for target in (
        *answers.TARGETS,
        *audio.TARGETS,
        *doors.TARGETS,
        *entrances.TARGETS,
        *records.TARGETS,
        *rows.TARGETS,
        *texts.TARGETS,
    )
}
