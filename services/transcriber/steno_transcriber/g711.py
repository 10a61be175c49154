"""The linear values of the codes of G.711 (ITU-T G.711, tables 1 and 2), of 16 bits. Pure."""

import numpy as np
import numpy.typing as npt

Table = npt.NDArray[np.int16]


def _mu_law() -> Table:
    code = ~np.arange(256) & 0xFF
    magnitude = ((((code & 0x0F) << 3) + 0x84) << ((code & 0x70) >> 4)) - 0x84
    return np.where(code & 0x80, -magnitude, magnitude).astype(np.int16)


def _a_law() -> Table:
    code = np.arange(256) ^ 0x55
    exponent, mantissa = (code & 0x70) >> 4, (code & 0x0F) << 4
    magnitude = np.where(exponent == 0, mantissa + 8, (mantissa + 0x108) << np.maximum(exponent - 1, 0))
    return np.where(code & 0x80, magnitude, -magnitude).astype(np.int16)


MU_LAW, A_LAW = _mu_law(), _a_law()
