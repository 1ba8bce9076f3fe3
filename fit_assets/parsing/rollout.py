"""Staged rollout: who is answered by the model, and who by the rules."""

from __future__ import annotations

import hashlib
from typing import Literal

Arm = Literal["model", "rules"]

_STEPS = 10_000


def arm_of(user: str, percent: float) -> Arm:
    """The arm of a user: always the same for the same percentage, and who is in at 10 % is in at 50 % too.

    Args:
        user: anything that stays the same for one person; it is hashed, not kept.
        percent: share of users in the arm ``model``, 0 to 100.
    """
    digest = hashlib.sha256(f"fit_assets:{user}".encode("utf-8", "replace")).digest()
    return "model" if int.from_bytes(digest[:8], "big") % _STEPS < percent * _STEPS / 100 else "rules"
