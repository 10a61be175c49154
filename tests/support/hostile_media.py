"""Small malicious media files whose headers make false claims to ffmpeg."""

import struct


def wav(*, rate: int = 8_000, channels: int = 1, tag: int = 1, bits: int = 16, samples: bytes = bytes(4_000)) -> bytes:
    """Makes a WAV with any header values."""
    align = (channels * bits // 8) & 0xFFFF
    fmt = struct.pack("<HHIIHH", tag, channels, rate, (rate * align) & 0xFFFFFFFF, align, bits)
    return (
        b"RIFF\xff\xff\xff\x7fWAVEfmt "
        + struct.pack("<I", len(fmt))
        + fmt
        + b"data"
        + struct.pack("<I", len(samples))
        + samples
    )


def flac(*, rate: int = 8_000, channels: int = 1, frames: int = 1, extra: bytes = b"") -> bytes:
    """Makes a FLAC with frames of 65,535 samples of silence, 13 bytes each: at 1 Hz a frame lasts 18 hours."""
    streaminfo = struct.pack(">HH", 65_535, 65_535) + bytes(6)
    streaminfo += ((rate << 44) | ((channels - 1) << 41) | (15 << 36)).to_bytes(8, "big") + bytes(16)
    made = bytearray(b"fLaC" + (b"\x00" if extra else b"\x80") + len(streaminfo).to_bytes(3, "big") + streaminfo + extra)
    for number in range(frames):
        # Frame header (RFC 9639, 9.1): fixed size, 16 bits of block size, rate of STREAMINFO, 16 bits a sample.
        head = b"\xff\xf8\x70" + bytes([((channels - 1) << 4) | (4 << 1)]) + _coded(number) + struct.pack(">H", 65_534)
        body = head + bytes([_crc8(head)]) + b"\x00\x00\x00" * channels  # constant subframes of zero
        made += body + struct.pack(">H", _crc16(body))
    return bytes(made)


def mp4(*, samples: int, rate: int = 8_000, channels: int = 1, nested: int = 0, tag: bytes = b"samr") -> bytes:
    """Makes an MP4 whose table has one entry that claims a number of samples."""
    entry = bytes(6) + struct.pack(">H", 1) + bytes(8) + struct.pack(">HHHHI", channels, 16, 0, 0, rate << 16 & 0xFFFFFFFF)
    table = _atom(b"stsd", struct.pack(">II", 0, 1) + _atom(tag, entry))
    table += _atom(b"stts", struct.pack(">IIII", 0, 1, samples, 160))
    table += _atom(b"stsc", struct.pack(">IIIII", 0, 1, 1, samples, 1))
    table += _atom(b"stsz", struct.pack(">III", 0, 1, samples))
    table += _atom(b"stco", struct.pack(">III", 0, 1, 8))
    media = _atom(b"mdhd", bytes(12) + struct.pack(">II", rate, 0xFFFFFFF) + bytes(4))
    media += _atom(b"hdlr", bytes(8) + b"soun" + bytes(13)) + _atom(b"minf", _atom(b"stbl", table))
    movie = _atom(b"trak", _atom(b"tkhd", bytes(84)) + _atom(b"mdia", media))
    for _ in range(nested):
        movie = _atom(b"moov", movie)
    return _atom(b"ftyp", b"isom\0\0\0\0isom") + _atom(b"moov", movie) + _atom(b"mdat", bytes(64))


def ogg_pages(*, pages: int) -> bytes:
    """Makes many Ogg pages without packets."""
    page = b"OggS" + bytes(22) + b"\x00"
    return page * pages


def _atom(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", 8 + len(data)) + kind + data


def _coded(number: int) -> bytes:
    """Encodes a number like UTF-8."""
    return chr(number).encode("utf-8", "surrogatepass") if number < 0x110000 else b"\x00"


def _crc8(data: bytes) -> int:
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = ((crc << 1) ^ 0x07) & 0xFF if crc & 0x80 else crc << 1
    return crc


def _crc16(data: bytes) -> int:
    crc = 0
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = ((crc << 1) ^ 0x8005) & 0xFFFF if crc & 0x8000 else crc << 1
    return crc
