"""The audio format of a call: codec and sample rate. Pure."""

from dataclasses import dataclass

from steno.events.records import AudioCodec


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """Codec and sample rate of one channel. It also has the size of a sample, which is not always one byte."""

    codec: AudioCodec
    sample_rate: int

    @property
    def sample_bytes(self) -> int:
        """The size of a sample in bytes."""
        return self.codec.sample_bytes

    @property
    def silence(self) -> bytes:
        """One silent sample."""
        return self.codec.silence

    def frame_bytes(self, channels: int) -> int:
        """The size of one sample of each channel in bytes."""
        return self.sample_bytes * channels

    def samples_in(self, milliseconds: float) -> int:
        """The number of samples in a time."""
        return int(milliseconds * self.sample_rate // 1000)

    def seconds_of(self, audio: bytes, *, channels: int = 1) -> float:
        """The duration of audio."""
        return len(audio) / (self.frame_bytes(channels) * self.sample_rate)
