"""The registry of the calls of this process: open ones, those being admitted, and awaited ones.

An awaited call is assigned to this process in the ledger, and its peer may return, but no process has it: it is from before a
restart, or the ledger added it too late.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType

from steno_ingest.calls.hosting.conversations import Conversation
from steno_ingest.calls.hosting.hosted_call import HostedCall


class CallRegistry:
    """The calls of this process by id. Times are seconds of a monotonic clock."""

    def __init__(self) -> None:
        self._calls: dict[str, HostedCall] = {}
        self._awaited: dict[str, float] = {}
        #: Ids of calls that may be in the ledger and are not in `_calls` yet.
        self._admitting: set[str] = set()

    @property
    def calls(self) -> Mapping[str, HostedCall]:
        """The calls of this process, including those that ended a short while ago."""
        return MappingProxyType(self._calls)

    @property
    def awaited(self) -> Mapping[str, float]:
        """The ids of awaited calls, and until when each is awaited."""
        return MappingProxyType(self._awaited)

    def add(self, call: HostedCall) -> None:
        """Adds a call of this process."""
        self._calls[call.call_id] = call
        self._awaited.pop(call.call_id, None)

    def forget(self, call: HostedCall) -> None:
        """Removes a call that is over."""
        del self._calls[call.call_id]

    def knows(self, call_id: str) -> bool:
        """Whether a call is in this process, or is being admitted."""
        return call_id in self._calls or call_id in self._admitting

    @property
    def admitting_count(self) -> int:
        """The number of calls being admitted."""
        return len(self._admitting)

    def is_running(self, call_id: str) -> bool:
        """Whether a call is in this process and not over."""
        call = self._calls.get(call_id)
        return call is not None and not call.over

    def left(self, conversation: Conversation | None) -> HostedCall | None:
        """Returns the call of a conversation whose peer is disconnected, and which a new session continues."""
        if conversation is None:
            return None
        return next((call for call in self._calls.values() if call.conversation == conversation and call.left), None)

    @contextmanager
    def admitting(self, call_id: str) -> Iterator[None]:
        """Marks a call as being admitted, for the block."""
        self._admitting.add(call_id)
        try:
            yield
        finally:
            self._admitting.discard(call_id)

    def await_peer(self, call_id: str, *, until: float) -> None:
        """Awaits the peer of a call, unless the call is running here."""
        if not self.is_running(call_id):
            self._awaited[call_id] = until

    def stop_awaiting(self, call_id: str) -> float | None:
        """Stops awaiting the peer of a call; returns until when it was awaited."""
        return self._awaited.pop(call_id, None)
