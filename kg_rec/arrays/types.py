"""Short names of array types, so that signatures stay readable."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Ints: TypeAlias = NDArray[np.int64]
Floats32: TypeAlias = NDArray[np.float32]
Floats64: TypeAlias = NDArray[np.float64]
#: Single or double precision.
Floats: TypeAlias = "NDArray[np.floating[Any]]"
