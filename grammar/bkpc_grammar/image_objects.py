"""In what pieces an image is stored, and how many are moved at once: what the runtime keeps to, and bounds count on."""

AT_ONCE = 128
"""Small objects of an image that are moved at once at most."""
OTHERS = 10
"""Objects of a logical image at most besides those of tables and schemas: code, views, accounts."""
SMALL = 1 << 20
"""Bytes of the largest object that is fetched ahead, whole; of a larger one each is fetched by who loads it."""
IN_MEMORY = 32 << 20
"""Bytes of small objects that wait in memory at most."""
ROUND = IN_MEMORY - SMALL
"""Of what is fetched at once, fewer than `AT_ONCE` objects hold more than so many bytes."""
JOB_AT_ONCE = 32
"""Small objects that one job stores or copies at once at most: several jobs run side by side."""
JOB_MEMORY = 8 << 20
"""Bytes of them that wait in memory at most."""
CLIENTS = 2
"""Larger objects that are loaded side by side at least."""
PIECE = 1 << 30
"""Bytes of an object of a physical image, before compression; they are read one after the other."""
