"""How a thaw is asked for and waited for: what the runtime keeps to, and bounds count on."""

A_SECOND = 100
"""Objects that are asked for in a second at most: the service takes no more, and makes who asks more wait."""
PART = 60
"""What thaws is looked at when this part of the usual time has passed again, within:"""
QUICKEST_MS, SLOWEST_MS = 5_000, 300_000
TURN_MS = 1_000
"""What a recovery of several databases takes at most until it looks, once it is time to."""


def look_ms(thaw_ms: int) -> int:
    """Milliseconds between two looks at what takes so many to thaw."""
    return min(SLOWEST_MS, max(QUICKEST_MS, -(-thaw_ms // PART)))
