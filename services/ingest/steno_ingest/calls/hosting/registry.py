"""The registry of the calls of this process: those whose audio comes in here, those being taken in, and those awaited.

A call is awaited whose peer may come back for it though no process has audio of it: the ledger has it here, from the process
before this one or because it answered too late.
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
        #: Ids of calls that the ledger may have and `_calls` has not yet.
        self._admitting: set[str] = set()

    @property
    def calls(self) -> Mapping[str, HostedCall]:
        """The calls whose audio comes in here, and those that are over a short while ago."""
        return MappingProxyType(self._calls)

    @property
    def awaited(self) -> Mapping[str, float]:
        """The calls whose peers are awaited, and until when."""
        return MappingProxyType(self._awaited)

    def add(self, call: HostedCall) -> None:
        """Adds a call whose audio comes in here from now on."""
        self._calls[call.call_id] = call
        self._awaited.pop(call.call_id, None)

    def forget(self, call: HostedCall) -> None:
        """Removes a call that is over."""
        del self._calls[call.call_id]

    def knows(self, call_id: str) -> bool:
        """Whether a call is here, or being taken in."""
        return call_id in self._calls or call_id in self._admitting

    @property
    def admitting_count(self) -> int:
        """How many calls are being taken in."""
        return len(self._admitting)

    def goes_on(self, call_id: str) -> bool:
        """Whether a call is here and not over."""
        call = self._calls.get(call_id)
        return call is not None and not call.over

    def left(self, conversation: Conversation | None) -> HostedCall | None:
        """The call of a conversation whose peer has left, and with which the conversation goes on."""
        if conversation is None:
            return None
        return next((call for call in self._calls.values() if call.conversation == conversation and call.left), None)

    @contextmanager
    def admitting(self, call_id: str) -> Iterator[None]:
        """Marks a call as being taken in."""
        self._admitting.add(call_id)
        try:
            yield
        finally:
            self._admitting.discard(call_id)

    def await_peer(self, call_id: str, *, until: float) -> None:
        """Awaits the peer of a call, unless the call goes on here."""
        if not self.goes_on(call_id):
            self._awaited[call_id] = until

    def stop_awaiting(self, call_id: str) -> float | None:
        """Awaits the peer of a call no more. Says until when it was."""
        return self._awaited.pop(call_id, None)
