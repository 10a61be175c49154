"""The linear values of G.711."""

from steno.g711 import A_LAW, MU_LAW


def test_g711_is_what_the_standard_says() -> None:
    """The ends, the middle and the symmetry of both laws (ITU-T G.711, tables 1 and 2, at 16 bits)."""
    assert [MU_LAW[code] for code in (0x00, 0x7F, 0x80, 0xFF, 0x8F)] == [-32124, 0, 32124, 0, 16764]
    assert [A_LAW[code] for code in (0xD5, 0x55, 0xAA, 0x2A, 0x80)] == [8, -8, 32256, -32256, 5504]
    for law in (MU_LAW, A_LAW):
        assert law[128:] == tuple(-value for value in law[:128])
