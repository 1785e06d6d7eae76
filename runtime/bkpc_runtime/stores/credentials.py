"""Keys for an object store, from where the plan says: two or three environment variables, or a file."""

from __future__ import annotations

import configparser
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bkpc_grammar.plan import CredentialReference
from bkpc_runtime.errors import BadUsage, Refused
from bkpc_runtime.secret import Secret


@dataclass(frozen=True, slots=True)
class AccessKey:
    """What a request to OSS is signed with; `token` only with temporary (STS) keys."""

    id: str
    secret: Secret
    token: Secret | None = None


def read_access_key(
    store: str, reference: CredentialReference | None, folder: Path, environ: Mapping[str, str]
) -> AccessKey:
    """The key that `reference` names now; a file is read again on each call, so rotated keys are seen.

    Raises:
        BadUsage: no reference, a variable or file is missing, or the file holds no key.
        Refused: others than its owner may read the file.
    """
    if reference is None:
        raise BadUsage(
            f"store `{store}` names no credentials",
            help="write `credentials env KEY_ID_VARIABLE, KEY_SECRET_VARIABLE` in its block",
        )
    if reference.kind == "file":
        return _from_file(store, folder / reference.names[0])
    return _from_environment(store, reference.names, environ)


def _from_environment(store: str, names: tuple[str, ...], environ: Mapping[str, str]) -> AccessKey:
    if len(names) not in (2, 3):
        raise BadUsage(
            f"store `{store}` needs the names of two environment variables, and has {len(names)}",
            help="write `credentials env KEY_ID_VARIABLE, KEY_SECRET_VARIABLE`; a third names an STS token",
        )
    missing = [name for name in names if not environ.get(name)]
    if missing:
        raise BadUsage(
            f"the environment has no {' and no '.join(missing)}, which store `{store}` needs",
            help=f"export {missing[0]}=… before running bkpc",
        )
    for name in names:
        if not can_be_sent(environ[name].strip()):
            raise BadUsage(
                f"the value of {name}, which store `{store}` needs, is no key: it has letters that no key has",
                help=f"export {name}=… anew, from where the key was made",
            )
    key, secret, *token = (environ[name].strip() for name in names)
    return AccessKey(key, Secret(secret), Secret(token[0]) if token else None)


def can_be_sent(text: str) -> bool:
    """Whether it can be part of a key: no other letters pass through a request's headers."""
    return bool(text) and text.isascii() and text.isprintable() and " " not in text


def _from_file(store: str, path: Path) -> AccessKey:
    settings = configparser.ConfigParser(interpolation=None)
    try:
        open_to_others = stat.S_IMODE(path.stat().st_mode) & 0o077
        settings.read_string(path.read_text(encoding="utf-8-sig"))  # Windows' editors begin with a mark
    except (OSError, UnicodeDecodeError) as problem:
        raise BadUsage(f"the credentials file {path} of store `{store}` can't be read: {problem}") from problem
    except configparser.Error:
        # The parser's own message repeats lines of the file.
        raise _no_key(store, path) from None
    if open_to_others:
        raise Refused(f"the credentials file {path} is readable by others", help=f"chmod 600 {path}")
    for section in settings.sections():
        one = settings[section]
        if one.get("accessKeyID") and one.get("accessKeySecret"):
            token = one.get("stsToken")
            if not all(can_be_sent(text) for text in (one["accessKeyID"], one["accessKeySecret"], token or "none")):
                raise BadUsage(
                    f"the credentials file {path} of store `{store}` holds no key: [{section}] has letters that no "
                    "key has",
                    help="write its lines anew, from where the key was made",
                )
            return AccessKey(one["accessKeyID"], Secret(one["accessKeySecret"]), Secret(token) if token else None)
    raise _no_key(store, path)


def _no_key(store: str, path: Path) -> BadUsage:
    return BadUsage(
        f"the credentials file {path} of store `{store}` holds no access key",
        help="write it as ossutil does: [Credentials], then accessKeyID=… and accessKeySecret=…",
    )
