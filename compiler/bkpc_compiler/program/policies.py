"""Wishes: policies, what they extend, and the local overrides of a `protect`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

from bkpc_compiler.diagnostics.diagnostic import Diagnostic
from bkpc_compiler.program.age_recipient import is_age_recipient
from bkpc_compiler.program.facts import given
from bkpc_compiler.program.model import (
    Cadence,
    ColdLevel,
    Encryption,
    Engine,
    Flow,
    Given,
    HotLevel,
    ImageLevel,
    Keep,
    Policy,
    Promise,
    Schedule,
    Scope,
)
from bkpc_compiler.program.names import circle, known, unknown_name
from bkpc_compiler.program.refusal import WrongValue
from bkpc_compiler.program.values import Values, count, string, wrong_value
from bkpc_compiler.source import Span
from bkpc_compiler.syntax.tree import Clause, Word
from bkpc_grammar.quantities import Duration, duration

_ENGINES: tuple[Engine, Engine] = ("logical", "physical")
_WAYS = ("timepoint", "increment", "files")
_SHORTEST_LOCK, _LONGEST_LOCK = duration(1, "d"), duration(70 * 365, "d")
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


class PolicyReader:
    """Reads the clauses of policies; `stores` are the names a level may use, `timezones` those of files."""

    def __init__(self, values: Values, stores: Mapping[str, object], timezones: Mapping[str, str]) -> None:
        self.values, self.stores, self.timezones = values, stores, timezones

    def policy(self, name: str, span: Span, clauses: list[Clause], extends: str = "") -> Policy:
        """One policy of all these clauses, the later ones replacing earlier ones of their kind."""
        kinds: dict[str, list[Clause]] = {}
        for clause in clauses:
            kinds.setdefault(clause.kind, []).append(clause)
        last = {kind: found[-1] for kind, found in kinds.items()}
        images = [one for kind in ("full", "incremental") for one in kinds.get(kind, ())]
        return Policy(
            name,
            self._promises(kinds.get("promise", [])),
            self._response(last.get("respond"), "detect"),
            self._response(last.get("respond"), "activate"),
            self._images(images),
            tuple(self._hot(one) for one in kinds.get("hot", ())),
            tuple(self._cold(one) for one in kinds.get("cold", ())),
            self._keep(last["keep"]) if "keep" in last else None,
            self._lock(last["lock"]) if "lock" in last else None,
            tuple(known(word, "way to recover", _WAYS) for word in last["recover"].words("NAME"))
            if "recover" in last
            else (),
            self._flow(last["flow"]) if "flow" in last else None,
            self._encryption(last["encrypt"]) if "encrypt" in last else None,
            span,
            extends,
        )

    def scopes(self, clause: Clause) -> tuple[Scope, ...]:
        words = [one.name for one in clause.clauses("scope")]
        return tuple(Scope(known(word, "scope", [*Scope])) for word in words)

    def schedule(self, clause: Clause) -> Schedule:
        found = clause.clause("schedule")
        assert found is not None
        cadence = next(iter(found.clauses("hourly", "every_so_often", "daily", "weekly", "monthly")))
        clock = cadence.words("CLOCK")
        hours, minutes = (int(part) for part in clock[0].text.split(":")) if clock else (0, 0)
        if clock and (hours > 23 or minutes > 59):
            raise wrong_value(clock[0].span, f"`{clock[0].text}` is not a time of day", "from 00:00 to 23:59")
        day = cadence.words("INTEGER")
        weekday = _DAYS.index(known(cadence.name, "day", _DAYS)) if cadence.kind == "weekly" else None
        kind = Cadence.EVERY if cadence.kind == "every_so_often" else Cadence(cadence.kind)
        periods = {"hourly": duration(1, "h"), "daily": duration(1, "d"), "weekly": duration(1, "w")}
        period = periods.get(cadence.kind) or (
            self.values.period(_value(cadence)) if kind is Cadence.EVERY else duration(31, "d")
        )
        window = given_window(found, self.values)
        if window and window.value > period:
            raise wrong_value(
                window.span, "a job must be done before it is due again", f"within {period.human()} at most"
            )
        return Schedule(
            kind,
            period,
            hours * 60 + minutes if clock else None,
            weekday,
            count(day[0], 1, 31, "a day of the month") if day else None,
            window,
            self.timezones.get(found.span.file, "UTC"),
            found.span,
        )

    def _promises(self, clauses: list[Clause]) -> tuple[Promise, ...]:
        found: dict[Scope, Promise] = {}
        for clause in clauses:
            scopes = clause.clause("scopes")
            assert scopes is not None
            rpo, rpo_quantile = self._objective(clause.clause("rpo"))
            rto, rto_quantile = self._objective(clause.clause("rto"))
            for scope in self.scopes(scopes):
                found[scope] = Promise(scope, rpo, rto, rpo_quantile, rto_quantile, clause.span)
        return tuple(found[scope] for scope in sorted(found))

    def _objective(self, clause: Clause | None) -> tuple[Given[Duration] | None, Fraction]:
        if clause is None:
            return None, Fraction(1)
        value, *quantile = clause.clauses("value")
        return Given(self.values.duration(value), value.span), (
            self.values.quantile(quantile[0]) if quantile else Fraction(1)
        )

    def _response(self, clause: Clause | None, kind: str) -> Given[Duration] | None:
        for part in clause.clauses("detect", "activate") if clause else ():
            if part.kind == kind:
                return Given(self.values.duration(_value(part)), part.span)
        return None

    def _store(self, word: Word) -> Given[str]:
        return Given(known(word, "store", self.stores), word.span)

    def _stores(self, clause: Clause) -> tuple[Given[str], ...]:
        names = clause.clause("names")
        assert names is not None
        return tuple(self._store(word) for word in names.words("NAME"))

    def _images(self, clauses: list[Clause]) -> tuple[ImageLevel, ...]:
        """Where there are incremental images, full ones are physical unless they say otherwise: only these go on."""
        going_on = {store.value for one in clauses if one.kind == "incremental" for store in self._stores(one)}
        levels = tuple(self._image(one, going_on) for one in clauses)
        begun = {
            store.value for one in levels if one.kind == "full" and one.engine == "physical" for store in one.stores
        }
        full = {store.value for one in levels if one.kind == "full" for store in one.stores}
        for clause in clauses:
            engine = clause.clause("engine")
            for store in self._stores(clause):
                if clause.kind == "incremental" and store.value not in full:
                    message = f"the incremental images in `{store.value}` have no full image to begin from"
                    raise wrong_value(store.span, message, f"add a `full` level to `{store.value}`")
            lost = [one.value for one in self._stores(clause) if one.value in going_on - begun]
            if engine and lost:
                message = f"the incremental images in `{lost[0]}` have no physical full image to begin from"
                raise wrong_value(engine.span, message, "write `by physical`, or leave it out")
        return levels

    def _image(self, clause: Clause, going_on: set[str]) -> ImageLevel:
        stores, engine = self._stores(clause), clause.clause("engine")
        physical = clause.kind == "incremental" or any(one.value in going_on for one in stores)
        if engine:
            physical = known(engine.name, "engine", _ENGINES) == "physical"
        return ImageLevel(clause.kind, self.schedule(clause), stores, clause.span, _ENGINES[physical])

    def _cold(self, clause: Clause) -> ColdLevel:
        source, stores = self._store(clause.name), self._stores(clause)
        for store in stores:
            if store.value == source.value:
                raise wrong_value(store.span, f"this copies from `{store.value}` to itself", "name another store")
        return ColdLevel(self.schedule(clause), source, stores, clause.span)

    def _lock(self, clause: Clause) -> Given[Duration]:
        found = Given(self.values.duration(_value(clause)), clause.span)
        if not _SHORTEST_LOCK <= found.value <= _LONGEST_LOCK:
            message = f"a bucket cannot be locked for {found.value}"
            raise wrong_value(_value(clause).span, message, "from 1d to 25550d, which are 70 years")
        return found

    def _hot(self, clause: Clause) -> HotLevel:
        stores, quorum = self._stores(clause), clause.clause("quorum")
        every, outage = clause.clause("every"), clause.clause("outage_hold", "outage_degrade")
        for one in (quorum, outage):
            if one and not clause.words("SYNC"):
                help_text = "write `hot sync to …`, or take this out"
                raise wrong_value(one.span, "without `sync` no commit waits for any store", help_text)
        return HotLevel(
            stores,
            Given(self.values.period(_value(every)), every.span) if every else Given(duration(5), clause.span),
            bool(clause.words("SYNC")),
            count(quorum.words("INTEGER")[0], 1, len(stores), f"a number of these {len(stores)} stores")
            if quorum
            else len(stores),
            outage.kind.removeprefix("outage_") if outage else None,
            Given(self.values.duration(_value(outage)), outage.span)
            if outage and outage.kind == "outage_degrade"
            else None,
            clause.span,
        )

    def _keep(self, clause: Clause) -> Keep:
        days: Given[Duration] | None = None
        counts: dict[str, int] = {"daily": 0, "weekly": 0, "monthly": 0, "yearly": 0}
        for part in clause.clauses("keep_for", "keep_count"):
            if part.kind == "keep_for":
                days = Given(self.values.period(_value(part)), part.span)
            else:
                unit = part.clause("keep_unit")
                assert unit is not None
                counts[str(getattr(unit.parts[0], "text", ""))] = count(
                    part.words("INTEGER")[0], 1, 10_000, "a number of images to keep"
                )
        zone = self.timezones.get(clause.span.file, "UTC")
        return Keep(days, counts["daily"], counts["weekly"], counts["monthly"], counts["yearly"], clause.span, zone)

    def _flow(self, clause: Clause) -> Flow:
        lag = self._two(clause.clause("lag"), "WARN", "FAIL")
        sizes = clause.clause("size_change")
        changes = [self.values.percent(one) for one in sizes.clauses("value")] if sizes else []
        has_warn = bool(sizes and sizes.words("WARN"))
        if sizes:
            self._rising(sizes, changes, "hold")
        drill = clause.clause("drill")
        return Flow(
            given(clause.first_of_each(), "limit", self.values.rate),
            lag[0],
            lag[1],
            changes[0] if has_warn else None,
            changes[-1] if sizes and sizes.words("HOLD") else None,
            clause.clause("verify_every_backup") is not None,
            self.schedule(drill) if drill else None,
            clause.span,
        )

    def _two(self, clause: Clause | None, *kinds: str) -> list[Given[Duration] | None]:
        if clause is None:
            return [None, None]
        given = [Given(self.values.duration(one), one.span) for one in clause.clauses("value")]
        self._rising(clause, [one.value.amount for one in given], "fail")
        found = iter(given)
        return [next(found) if clause.words(kind) else None for kind in kinds]

    def _rising(self, clause: Clause, limits: Sequence[Fraction], last: str) -> None:
        """Refuse a clause of two limits that has none of them, or the milder one beyond the other."""
        word = clause.parts[0]
        what = word.text if isinstance(word, Word) else ""
        if not limits:
            raise wrong_value(clause.span, f"`{what}` says neither `warn` nor `{last}`", None)
        if len(limits) == 2 and limits[0] >= limits[1]:
            raise wrong_value(clause.span, f"`warn` must come before `{last}`", "write the smaller one after `warn`")

    def _encryption(self, clause: Clause) -> Encryption:
        rest = clause.clause("encrypt_rest")
        recipients = rest.words("STRING") if rest else []
        for word in recipients:
            if not is_age_recipient(string(word)):
                help_text = "copy it whole: `age-keygen` prints it, it starts with `age1` and has 62 characters"
                raise wrong_value(word.span, "this is not an age public key", help_text)
        return Encryption(
            clause.clause("encrypt_transfer") is not None,
            tuple(string(word) for word in recipients),
            clause.span,
        )


def given_window(schedule: Clause, values: Values) -> Given[Duration] | None:
    """`within 4h` of a schedule."""
    value = schedule.clause("value")
    return Given(values.period(value), value.span) if value else None


def _value(clause: Clause) -> Clause:
    value = clause.clause("value")
    assert value is not None
    return value


class Inheritance:
    """What policies say together with those they extend; each worked out once, however long the chain."""

    def __init__(self, policies: Mapping[str, Clause]) -> None:
        self._policies = policies
        self._folded: dict[str, list[Clause]] = {}
        self._lost: dict[str, WrongValue] = {}

    def folded(self, name: Word) -> list[Clause]:
        """The clauses of the policy `name` after those it extends."""
        way: dict[str, Clause] = {}
        above: Word | None = name
        while above is not None and above.text not in self._folded:
            problem = self._problem(above, way)
            if problem is not None:
                self._lost.update(dict.fromkeys(way, problem))
                raise problem
            way[above.text] = self._policies[above.text]
            names = way[above.text].words("NAME")
            above = names[1] if len(names) > 1 else None
        clauses = self._folded[above.text] if above is not None else []
        for policy, statement in reversed(way.items()):
            own = [inner for clause in statement.clauses("policy_clause") for inner in clause.clauses()]
            clauses = self._folded[policy] = overridden(clauses, own)
        return clauses

    def _problem(self, name: Word, way: Mapping[str, Clause]) -> WrongValue | None:
        """Why the policies on the `way` to `name` can't be folded; told the same for each of them."""
        if name.text in way:
            names = tuple(way)
            return WrongValue(_circle(names[names.index(name.text) :], self._policies))
        if name.text not in self._policies:
            return unknown_name(name, "policy", self._policies)
        return self._lost.get(name.text)

    def declared(self, name: Word) -> Span:
        """Where the policy `name` is named, which there must be."""
        return self._policies[name.text].name.span


def _circle(names: tuple[str, ...], policies: Mapping[str, Clause]) -> Diagnostic:
    """The same wherever the circle was entered, so that it is told once."""
    start = names.index(min(names))
    way = (*names[start:], *names[: start + 1])
    return circle(policies[way[-2]].words("NAME")[1], way, "extends")


def overridden(earlier: list[Clause], later: list[Clause]) -> list[Clause]:
    """Later clauses replace earlier ones of their kind; promises replace scope by scope, later."""
    kinds = {clause.kind for clause in later} - {"promise"}
    return [clause for clause in earlier if clause.kind not in kinds] + later
