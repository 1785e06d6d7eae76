"""Views that others use come first."""

from __future__ import annotations

from bkpc_runtime.engines.views import View, in_order


def view(name: str, *used: str) -> View:
    tables = ", ".join(f"`s`.`{one}`" for one in used) or "dual"
    made = f"CREATE OR REPLACE VIEW `s`.`{name}` AS select 1 from {tables}"
    return View("s", name, made.encode(), "utf8mb4_general_ci")


def names(*views: View) -> list[str]:
    return [one.name for one in in_order(list(views))]


def test_used_views_come_first() -> None:
    assert names(view("a", "c"), view("b", "a"), view("c")) == ["c", "a", "b"]


def test_a_circle_keeps_the_order_of_names() -> None:
    """A table may have the name that a text in another view looks like."""
    assert names(view("a", "b"), view("b", "a")) == ["a", "b"]
