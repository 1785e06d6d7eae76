"""The one place that quotes names and texts of SQL."""

from __future__ import annotations


def quote(*names: str) -> str:
    """`schema`.`table` from its parts; any character MySQL allows in a name is safe in it."""
    for name in names:
        if not name or "\0" in name:
            raise ValueError(f"not a name MySQL can have: {name!r}")
    return ".".join("`" + name.replace("`", "``") + "`" for name in names)


def option_text(text: str) -> str:
    """A string where the grammar takes no expression; right unless the sql_mode has NO_BACKSLASH_ESCAPES."""
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def literal(text: str) -> str:
    """A string literal that is right under every sql_mode: only quotes double, backslashes go in as hex."""
    if "\\" in text or "\0" in text:
        return f"CONVERT(X'{text.encode().hex()}' USING utf8mb4)"
    return "'" + text.replace("'", "''") + "'"
