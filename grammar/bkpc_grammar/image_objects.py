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
STORED_ROUND = JOB_MEMORY - SMALL
"""Of what is stored at once, fewer than `JOB_AT_ONCE` objects hold more than so many bytes."""
COPIED_ROUND = JOB_MEMORY // 2 - SMALL
"""The same of what is copied: each waits as it was read, and as it is written."""
LARGE_STORED = 3
"""Requests of a larger object that may have the way for themselves: to begin it, its last part, to put it together."""
LARGE_READ = 1
"""Those beside, where it is copied."""
PARTS = 32 << 20
"""Bytes of the parts of a larger object that are under way at once: four."""
PARTS_AHEAD = 24 << 20
"""Those that are ahead of the one that is sent: where they take longer than a request, the way never waits for one."""
RANGES = 24 << 20
"""Bytes of a larger object that are asked for at once while it is read: three ranges."""
RANGES_AHEAD = 16 << 20
"""Those behind the one that is read: where they take longer than a request, and come in order, no way waits for one."""
CLIENTS = 2
"""Larger objects that are loaded side by side at least."""
PIECE = 1 << 30
"""Bytes of an object of a physical image, before compression; they are read one after the other."""
