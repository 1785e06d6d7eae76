"""Mistakes planted one at a time in what decides and deletes: does the stateful test notice each?

`python -m tests.runtime.retention.mutations`: minutes. Each is a change of the source's text, in a copy.
"""

# ruff: noqa: E501 - pieces of source, as they are

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[3]
EXPIRY, EXPIRE = "repository/expiry.py", "steps/expire.py"
MUTATIONS: dict[str, tuple[str, str, str]] = {
    "no base before the span": (
        EXPIRY,
        'for image in bases)',
        'for image in ())',
    ),
    "other epochs are no way": (EXPIRY, "if end is None or end > since:\n                bases", "if False:\n                bases"),
    "parents are not kept": (EXPIRY, "if image.key in kept and parent in self.there:", "if False:"),
    "held images are a base": (EXPIRY, "return not links[-1].parent and all(one.trusted for one in links)", "return True"),
    "held images go": (EXPIRY, "                if one.held:\n                    yield image, f\"held", "                if False:\n                    yield image, f\"held"),
    "the newest may go": (EXPIRY, "            yield self.trusted[-1], \"the newest\"", "            pass"),
    "a day too few": (EXPIRY, "if 0 <= number(today) - period < count:", "if 0 <= number(today) - period < count - 1:"),
    "days of UTC": (EXPIRY, "zone = ZoneInfo(self.rules.timezone)", "zone = ZoneInfo(\"UTC\")"),
    "the oldest of a day": (EXPIRY, "for image in self.trusted}\n", "for image in self.trusted[::-1]}\n"),
    "a restore is not seen": (EXPIRY, "if image.reading:", "if False:"),
    "log by the images of its own store alone": (EXPIRY, "below = {} if unknown or one.store in rest else _logs(one, wanted,", "below = {} if unknown or one.store in rest else _logs(one, [i for i in one.images if i.key in log_of[one.store]],"),
    "a binlog too many": (EXPIRY, "below[prefix, epoch.number] = first", "below[prefix, epoch.number] = first + 1"),
    "clocks are trusted": (EXPIRY, "if abs(now - source_now) > TOLERANCE:", "if False:"),
    "what is late does not matter": (EXPIRY, "if now - newest.began > rules.fresh:", "if False:"),
    "no grace for what is written": (EXPIRE, "if folder == prefix and self._old(name)]", "if folder == prefix]"),
    "parts before the manifest": (EXPIRE, "return self._gone(layout.manifest_key(prefix, image)) and self._delete_parts(prefix, image)", "return self._delete_all(prefix, image)"),
    "tombstones are never taken back": (EXPIRE, "if one.at > self.now + TOLERANCE or not (subject in subjects or self._spent(prefix, subject)):", "if False:"),
    "deleted when condemned": (EXPIRE, "if self.now - one.at >= self.rules.grace}\n            for", "}\n            for"),
    "nothing is deleted": (EXPIRE, "            if not self.done.resting:\n                self._delete(", "            if False:\n                self._delete("),
    "log is never deleted": (EXPIRE, "if log_ is not None and log_[1] <= self.below.get((prefix, log_[0]), 0):", "if False and log_:"),
}  # fmt: skip
ELSEWHERE = {
    "tombstones are never taken back",
    "deleted when condemned",
    "no grace for what is written",
    "other epochs are no way",
    "clocks are trusted",
    "parts before the manifest",
    "log by the images of its own store alone",
}
"""What the decision, made anew by each run, mostly makes up for, or what is rarely drawn: test_expire.py has them by hand.
A stretch of log ends before an image in the next is taken, so that one of another epoch is needed where clocks lied.
"""


def noticed(name: str) -> bool:
    path, before, after = MUTATIONS[name]
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, "bkpc_runtime")
        shutil.copytree(ROOT / "runtime" / "bkpc_runtime", copy)
        text = (copy / path).read_text()
        assert text.count(before) == 1, f"{name}: the source is no longer as this mistake expects it"
        text = text.replace(before, after)
        if name == "log by the images of its own store alone":
            text = text.replace(
                "    decisions = []\n", "    log_of = {one.store: log for one, (_, log) in pairs}\n    decisions = []\n"
            )
        if name == "parts before the manifest":
            text += (
                "\n    def _delete_all(self, prefix: str, image: str) -> bool:\n"
                "        keys = [one.key for one in self.store.list(f'{layout.images_folder(prefix)}{image}/')]\n"
                "        return all(self._gone(key) for key in sorted(keys, reverse=True))\n"
            )
        (copy / path).write_text(text)
        environ = {**os.environ, "PYTHONPATH": folder, "QUICK": "1", "EXAMPLES": os.environ.get("EXAMPLES", "60")}
        command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "--timeout", "0"]
        test = "tests/runtime/retention/test_machine.py"
        done = subprocess.run([*command, test], cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
        assert "Error" not in done.stderr, done.stderr
        return done.returncode != 0


def main() -> int:
    missed = []
    for name in sys.argv[1:] or MUTATIONS:
        seen = noticed(name)
        print(
            f"{'noticed' if seen else 'MISSED '}  {name}{' (tested elsewhere)' if name in ELSEWHERE and not seen else ''}",
            flush=True,
        )
        if not seen and name not in ELSEWHERE:
            missed.append(name)
    print(f"{len(missed)} missed")
    return bool(missed)


if __name__ == "__main__":
    sys.exit(main())
