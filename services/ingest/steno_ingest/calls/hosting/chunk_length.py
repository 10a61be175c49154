"""Decides how long the chunks of a new call are, by its peer's frames and by how many calls are open. Pure.

Each chunk costs a record: on Kafka, in the transcriber, in the call's own recording. Short ones are heard sooner, long ones
cost half. A call keeps the length that it began with, in whichever process it goes on, so that its borders follow from position
alone.
"""

MANY_CALLS = 100
"""From so many calls on that are open or being taken in, a process carries more of them where chunks are long."""


def chunk_ms_of_new_call(*, shortest_ms: int, frame_ms: int, open_calls: int) -> int:
    """The length of a call's chunks in milliseconds: the shortest, or twice as much.

    Args:
        shortest_ms: How long chunks are while few calls are open.
        frame_ms: How long the frames of the peer are; 0 where its protocol does not say. Nothing is heard sooner by
            cutting them.
        open_calls: The calls of this process that are open or being taken in.
    """
    long_ms = 2 * shortest_ms
    return long_ms if frame_ms >= long_ms or open_calls >= MANY_CALLS else shortest_ms
