"""The format of a call's audio: how a sample is coded, and how many there are in a second. Pure."""

from dataclasses import dataclass

from steno.events.records import AudioCodec


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """How one channel is coded. The width of a sample is asked of it, so that nobody assumes a byte a sample."""

    codec: AudioCodec
    sample_rate: int

    @property
    def sample_bytes(self) -> int:
        """Bytes of one sample."""
        return self.codec.sample_bytes

    @property
    def silence(self) -> bytes:
        """One silent sample."""
        return self.codec.silence

    def frame_bytes(self, channels: int) -> int:
        """Bytes of one sample of each channel."""
        return self.sample_bytes * channels

    def samples_in(self, milliseconds: float) -> int:
        """Samples in so much time."""
        return int(milliseconds * self.sample_rate // 1000)

    def seconds_of(self, audio: bytes, *, channels: int = 1) -> float:
        """How long so much audio lasts."""
        return len(audio) / (self.frame_bytes(channels) * self.sample_rate)
