"""A search as a condition in SQL, for one place that rows come from."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from stocktake.query.search.meaning import Meaning, meaning_of
from stocktake.query.search.paths import test_path, whole
from stocktake.query.search.sources import IndexSource, Source, TypeSource
from stocktake.query.search.syntax import (
    And,
    Between,
    Compares,
    Everything,
    IsSet,
    Matches,
    Node,
    Not,
    Or,
    Term,
    Test,
    Wild,
)
from stocktake.query.search.values import Parameters, Sql, UnfitError, bounds_of, condition, read_number, read_time

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from stocktake.query.search.knowledge import Knowledge, KnownType

_MANY = 50


class Compiler:
    """Makes conditions of one search; notes which terms are no value of anything that their key names."""

    def __init__(self, knowledge: Knowledge, parameters: Parameters, now: datetime) -> None:
        self._knowledge = knowledge
        self._parameters = parameters
        self._now = now
        self.fits: set[int] = set()
        """Terms, by identity, that were a test of something."""
        self.unfit: dict[int, str] = {}
        """Terms that were not, and why."""
        self._words: dict[Matches, Sql] = {}

    def compile(self, node: Node, source: Source) -> Sql:
        """Return a search as a condition on the rows of a source."""
        match node:
            case Everything():
                return True
            case Term():
                return self._term(node, source)
            case Not(part):
                inner = self.compile(part, source)
                return not inner if isinstance(inner, bool) else f"NOT coalesce({inner}, false)"
            case And(parts):
                return all_of(self.compile(part, source) for part in parts)
            case Or(parts):
                return any_of(self.compile(part, source) for part in parts)

    def _term(self, term: Term, source: Source) -> Sql:
        if term.key is None:
            return self._word(term.test, source) if isinstance(term.test, Matches) else True
        meaning = meaning_of(term.key)
        return any_of(self._parts(term, meaning, source))

    def _parts(self, term: Term, meaning: Meaning, source: Source) -> Iterable[Sql]:
        if meaning.common:
            yield self._common(term, meaning, source)
        if meaning.tag:
            yield self._tag(meaning.tag, term, source)
        if meaning.path and isinstance(source, TypeSource):
            found = self._path(term, meaning.path, source)
            if found is not None:
                yield found

    def _path(self, term: Term, path: str, source: TypeSource) -> Sql | None:
        if isinstance(term.test, IsSet):
            found = whole(source.held.schema, "_h", path, self._parameters.add)
            if found is not None:
                return self._tested(term, *found)
        return test_path(
            source.held.schema, "_h", path, self._parameters.add, lambda kind, value: self._tested(term, kind, value)
        )

    def _tested(self, term: Term, kind: str, value: str, test: Test | None = None) -> Sql:
        try:
            found = condition(kind, value, test or term.test, self._parameters, self._now)
        except UnfitError as error:
            self.unfit[id(term)] = str(error)
            return False
        self.fits.add(id(term))
        return found

    def _common(self, term: Term, meaning: Meaning, source: Source) -> Sql:
        if meaning.common == "tags":
            return self._tags(term, source)
        if meaning.level == "type":
            return self._of_type(term, meaning.common, source)
        if meaning.level == "scope":
            tested = self._tested(term, meaning.kind, meaning.common)
            return tested if isinstance(tested, bool) else source.scope_condition(tested)
        return self._tested(term, meaning.kind, source.column(meaning.common))

    def _of_type(self, term: Term, column: str, source: Source) -> Sql:
        """Test what a type decides here and now: which types it holds of."""
        self.fits.add(id(term))

        def holds(one: KnownType) -> bool:
            forms = one.forms if column == "type" else (str(getattr(one, column)),)
            return any(holds_of_text(form, term.test, self._now) for form in forms)

        if source.held is not None:
            return any(holds(one) for one in self._knowledge.types if one.name == source.held.name)
        found = [one.name for one in self._knowledge.types if holds(one)]
        if len(found) in {0, len(self._knowledge.types)}:
            return bool(found)
        return source.scope_condition(f"type IN ({self._list(found)})")

    def _list(self, values: list[str]) -> str:
        return ", ".join(self._parameters.add(value) for value in values)

    def _tags(self, term: Term, source: Source) -> Sql:
        """Test whole tags: `tags:"team:vision"`; a text without a colon is the key of a tag."""
        if isinstance(source, TypeSource) and not source.has_tags:
            return False
        self.fits.add(id(term))
        if isinstance(term.test, IsSet):
            return source.has_tag()
        if isinstance(term.test, Matches) and isinstance(term.test.parts[0], str):
            key, colon, rest = split_tag(term.test.parts[0])
            if colon:
                value = Matches((rest, *term.test.parts[1:])) if rest else Matches(term.test.parts[1:] or ("",))
                return self._tag(key, Term(key, IsSet() if value.parts == (Wild.ANY,) else value), source)
            if term.test.literal is not None:
                return self._tag(key, Term(key, IsSet()), source)
        return self._any_tag(source.column("tags"), lambda tag: self._tested(term, "STRING", tag))

    def _any_tag(self, tags: str, test: Callable[[str], Sql]) -> Sql:
        inner = test("_t")
        return inner if isinstance(inner, bool) else f"len(list_filter({tags}, lambda _t: {inner})) > 0"

    def _tag(self, key: str, term: Term, source: Source) -> Sql:
        """Test the value of a tag; keys are compared without case."""
        known = {name: column for name, column in self._knowledge.tag_columns.items() if name.lower() == key.lower()}
        if isinstance(source, TypeSource):
            # Which keys there were at another time is not noted.
            may_be = source.has_tags and (known or source.is_past or not is_whole_key(key))
            return self._tag_in_list(key, term, source) if may_be else False
        # Where a key with colons ends, a tag's text does not say: any that begins so is meant.
        if not is_whole_key(key):
            return self._tag_in_list(key, term, source)
        values = [
            f"_i.{column}" if column else f"_i.tags[{self._parameters.add(name)}]" for name, column in known.items()
        ]
        return any_of(self._tested(term, "STRING", value) for value in values)

    def _tag_in_list(self, key: str, term: Term, source: Source) -> Sql:
        add = self._parameters.add
        literal = term.test.literal if isinstance(term.test, Matches) else None
        self.fits.add(id(term))
        if literal is not None:
            whole_tag = add(f"{key}:{literal}")
            return self._any_tag(source.column("tags"), lambda tag: f"lower({tag}) = lower({whole_tag})")
        begins = f"starts_with(lower(_t), lower({add(key + ':')}))"
        value = self._tested(term, "STRING", f"substr(_t, {len(key) + 2})")
        if isinstance(value, bool):
            return value
        inner = begins if isinstance(term.test, IsSet) else f"{begins} AND {value}"
        return self._any_tag(source.column("tags"), lambda _: inner)

    def _word(self, test: Matches, source: Source) -> Sql:
        """Look for a text in all that a resource is called and tagged, without case."""
        if isinstance(source, IndexSource):
            if test not in self._words:
                self._words[test] = self._word_in_index(test, source)
            return self._words[test]
        assert isinstance(source, TypeSource)  # noqa: S101 - there are these two
        name = next(one for one in self._knowledge.types if one.name == source.held.name)
        if any(contains(form, test) for form in (name.name, name.provider, name.service)):
            return True
        found = [self._contains(source.column("text"), test, is_lower=True), self._contains("_h.account_id", test)]
        found += [self._contains("_h._region", test), self._contains(source.column("state"), test)]
        return any_of([*found, *self._with_colons(test, source)])

    def _word_in_index(self, test: Matches, source: IndexSource) -> Sql:
        found = [self._contains("_i.text", test, is_lower=True), self._contains("_i.state", test)]
        parameters = Parameters()
        where = any_of(
            contains_sql(column, test, parameters) for column in ("type", "service", "account_id", "region", "provider")
        )
        if where is True or (isinstance(where, str) and self._knowledge.has_scopes(where, parameters.values)):
            own = any_of(
                contains_sql(column, test, self._parameters)
                for column in ("type", "service", "account_id", "region", "provider")
            )
            found.append(own if isinstance(own, bool) else source.scope_condition(own))
        parameters = Parameters()
        value = contains_sql("value", test, parameters)
        if isinstance(value, bool):
            return True
        for column, values in self._knowledge.tag_values(value, parameters.values).items():
            few = len(values) <= _MANY
            found.append(f"_i.{column} IN ({self._list(values)})" if few else self._contains(f"_i.{column}", test))
        return any_of([*found, *self._with_colons(test, source)])

    def _with_colons(self, test: Matches, source: Source) -> list[Sql]:
        """Look for what has a colon in it also in whole ARNs and whole tags."""
        if not any(isinstance(part, str) and ":" in part for part in test.parts):
            return []
        found = [self._contains(source.column("key"), test)]
        is_arn = isinstance(test.parts[0], str) and test.parts[0].lower().startswith("arn:")
        if not is_arn and not (isinstance(source, TypeSource) and not source.has_tags):
            found.append(self._any_tag(source.column("tags"), lambda tag: self._contains(tag, test)))
        return found

    def _contains(self, value: str, test: Matches, *, is_lower: bool = False) -> Sql:
        return contains_sql(value, test, self._parameters, is_lower=is_lower)


def contains_sql(value: str, test: Matches, parameters: Parameters, *, is_lower: bool = False) -> Sql:
    """Return whether a text is found in a value: wildcards at its ends mean nothing, others stay on one line."""
    parts = inner_parts(test)
    if not parts:
        return True
    lowered = value if is_lower else f"lower({value})"
    longest = max((part for part in parts if isinstance(part, str)), key=len, default="")
    found = f"contains({lowered}, lower({parameters.add(longest)}))"
    if len(parts) == 1 and longest:
        return found
    pattern = parameters.add(word_pattern(parts))
    return f"({found} AND regexp_matches({lowered}, {pattern}))"


def inner_parts(test: Matches) -> tuple[str | Wild, ...]:
    """Return a pattern without the `*` at its ends and without empty texts."""
    parts = [part for part in test.parts if part]
    while parts and parts[0] is Wild.ANY:
        parts.pop(0)
    while parts and parts[-1] is Wild.ANY:
        parts.pop()
    return tuple(parts)


def word_pattern(parts: tuple[str | Wild, ...]) -> str:
    """Return a pattern as the database's regular expressions want it, for lower-cased text."""
    signs = {Wild.ANY: "[^\\n]*", Wild.ONE: "[^\\n]"}
    return "".join(signs[part] if isinstance(part, Wild) else _escape(part.lower()) for part in parts)


def _escape(text: str) -> str:
    """Return a text for a regular expression, in a form that the database's and Python's agree on."""
    return "".join(char if char.isalnum() or ord(char) > 127 else f"\\x{ord(char):02x}" for char in text)


def contains(text: str, test: Matches) -> bool:
    """Return the same as `contains_sql`, here and now."""
    return re.search(word_pattern(inner_parts(test)), text.lower()) is not None


def holds_of_text(text: str, test: Test, now: datetime) -> bool:
    """Return whether a test holds of what a type is called, as `values.condition` states it for texts."""
    match test:
        case IsSet():
            return True
        case Matches(parts):
            signs = {Wild.ANY: ".*", Wild.ONE: "."}
            pattern = "".join(signs[part] if isinstance(part, Wild) else re.escape(part.lower()) for part in parts)
            return re.fullmatch(pattern, text.lower(), re.DOTALL) is not None
    return _in_order(text.lower(), test, now)


def _in_order(text: str, test: Test, now: datetime) -> bool:
    bounds = [one for one in bounds_of(test) if one is not None]
    if bounds and all(read_number(one) is not None for one in bounds):
        # A text that is compared to a number is one, or there is no order.
        number = read_number(text)
        return number is not None and _lies(number, test, float)
    if bounds and all(read_time(one, now) is not None for one in bounds):
        # Likewise of a time, which no type is called.
        return False
    return _lies(text, test, str.lower)


def _lies(value: Any, test: Test, read: Callable[[str], Any]) -> bool:  # noqa: ANN401 - text or number
    match test:
        case Compares(operator, bound):
            other = read(bound)
            return bool({">": value > other, ">=": value >= other, "<": value < other, "<=": value <= other}[operator])
        case Between(low, high, with_low, with_high):
            above = low is None or value > read(low) or (with_low and value == read(low))
            return above and (high is None or value < read(high) or (with_high and value == read(high)))
    return True


def split_tag(tag: str) -> tuple[str, str, str]:
    """Return key, colon and value of a tag, as `tag_key` splits it."""
    found = re.match(r"(aws:[^:]*:[^:]*)(:)(.*)", tag, re.DOTALL)
    return (found[1], found[2], found[3]) if found else tag.partition(":")


def is_whole_key(key: str) -> bool:
    """Return whether no tag with another key can begin with this one and a colon."""
    if key.lower().startswith("aws:"):
        return key.count(":") == 2
    return ":" not in key and key.lower() != "aws"


def all_of(parts: Iterable[Sql]) -> Sql:
    """Return what holds where all hold. Every part is looked at, so that what is wrong with it is known."""
    known = list(parts)
    if any(part is False for part in known):
        return False
    texts = [part for part in known if isinstance(part, str)]
    return f"({' AND '.join(texts)})" if texts else True


def any_of(parts: Iterable[Sql]) -> Sql:
    """Return what holds where any holds; every part is looked at."""
    known = list(parts)
    if any(part is True for part in known):
        return True
    texts = [part for part in known if isinstance(part, str)]
    return f"({' OR '.join(texts)})" if texts else False
