"""One answer in 16 bytes, as it lies in frames, on disk and on streams."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

RECORD = np.dtype(
    [
        ("fan", "<u4"),
        ("received_ms", "<u4"),  # since the show's epoch
        ("elapsed_ms", "<u4"),  # as the phone claimed it
        ("question", "u1"),  # index in the show file
        ("choice", "u1"),  # bit mask
        ("age_band", "u1"),
        ("country", "u1"),  # index in country.CODES
    ]
)
Records = npt.NDArray[np.void]
"""1-d array of RECORD."""
