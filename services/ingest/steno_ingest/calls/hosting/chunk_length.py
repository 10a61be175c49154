"""Chooses the chunk length of a new call by the length of its peer's frames and the number of open calls. Pure.

Each chunk is a record on Kafka, in the transcriber and in the call's recording. Short chunks have less delay, long ones cost
half as much. A call keeps its length in every process that continues it, so that chunk borders depend on position only.
"""

MANY_CALLS = 100
"""From this number of calls on, new calls get long chunks, so that the process can carry more."""


def chunk_ms_of_new_call(*, shortest_ms: int, frame_ms: int, open_calls: int) -> int:
    """Returns the length of a call's chunks in milliseconds: the shortest, or twice as much.

    Args:
        shortest_ms: The length while few calls are open.
        frame_ms: The length of the peer's frames; 0 if its protocol does not define it. Chunks shorter than a frame do not
            reduce the delay.
        open_calls: The number of calls of this process that are open or being admitted.
    """
    long_ms = 2 * shortest_ms
    return long_ms if frame_ms >= long_ms or open_calls >= MANY_CALLS else shortest_ms
