"""In what pieces a log is stored, and how many are read at once: what a stream keeps to, and bounds count on."""

OBJECT = 16 << 20
"""Bytes of the largest object a stream writes, but for what came with its last bytes at once."""
AT_ONCE = 128
"""Objects of the log that a recovery fetches at once at most."""
IN_MEMORY = 64 << 20
"""Bytes of them that wait in memory at most."""
ROUND = 32 << 20
"""Of what is fetched at once, fewer than `AT_ONCE` objects hold at least so many bytes: `IN_MEMORY` less one object."""
SYNC_APART_MS = 1
"""Milliseconds between two objects at least that commits wait for (`hot sync`)."""
LEAST_BINLOG = 16 << 20
"""Bytes of the least `max_binlog_size` that `preflight` lets pass: so long is a binlog that is not ended by request."""
REQUESTED_MS = 600_000
"""Milliseconds between two binlogs that are ended by request, or connections that are lost, on the average."""
LARGEST_BINLOG = 1 << 30
"""Bytes of the largest `max_binlog_size` that servers take; a binlog is longer only by the transaction that ends it."""
HANDED_MS = 500
"""Milliseconds in which a replay hands binlogs to the applier, or sees that it has executed them, each time."""
HANDED_PARTS = (20, 60, 200)
"""Handing on costs in all no more than one such part of the time that all of a log takes, and half of so many times."""
PIECES = 2
"""Objects at most that a stream cuts for each `OBJECT` bytes since there are so many: one that is full, and what was
whole before an event that is too large."""
BINLOG_ENDS = 3
"""Requests more where a binlog ends: for what is cut there, for its end, and for how the next one begins."""
EVENT = 19
"""Bytes of the least event of a binlog: no object holds less."""
TOGETHER = 8
"""Databases whose logs are looked at side by side before anything is loaded."""
LOOKED_OBJECTS = 2048
"""Objects at the end of a log in which a moment is looked for, in `IN_MEMORY` bytes at most."""
LOOKED_STEPS = 24
"""Ever larger ends of a log that are read one after the other: from 256 KiB and 128 objects on four times as much, of a
log of up to 4 TiB."""
LOOKED_BURSTS = 16
"""Of bursts no more is read to find where a log ends: a transaction is no longer than one."""
LOOKED_BESIDE = 320 << 20
"""Bytes that are read beside: what fits into memory, once for each look, and the heads of binlogs."""
LISTED = 1000
"""Names that a store tells at once."""
KNOWN_LEAST_MS, KNOWN_MOST_MS = 500, 60_000
"""Milliseconds between two notes of until when the log of a member of a group is complete: as what is promised asks."""
KNOWN_SHARE = 10
"""They come so many times within what may be lost."""
ANSWERED_MS = 500
"""Milliseconds in which a server tells its time and the end of its log, and the answer is on its way to the stores."""
WHOLE_SECONDS_MS = 1000
"""Milliseconds by which the log of a server that tells whole seconds (MariaDB) leaves open when a commit was."""
