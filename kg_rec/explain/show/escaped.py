"""JSON text that is safe to print."""

from __future__ import annotations

import json
import re
from typing import Any

_INVISIBLE = re.compile(
    "[\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb]"
)


def escaped_json(value: Any, indent: int | None = None) -> str:
    """JSON text; characters that a terminal would act on are written as ``\\uXXXX``.

    Raises:
        ValueError: a number is not finite.
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, indent=indent)
    return _INVISIBLE.sub(lambda match: f"\\u{ord(match.group()):04x}", text)
