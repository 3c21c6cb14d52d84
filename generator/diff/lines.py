"""A change in lines for readers, which the text and the Markdown form have in common."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from generator.diff.grouping import Group, Place, Told, Variation
from generator.diff.path import spelled
from generator.resource import ResourceId
from generator.yaml import block, scalar


class Line(NamedTuple):
    """A line: ``mark`` is ``-`` for what was, ``+`` for what is, a blank for what is around, ``~`` for both in one."""

    mark: str
    text: str
    #: What was and what is, in lines of their own, for a form that has no ``~``.
    parts: tuple[str, str] = ("", "")


class Section(NamedTuple):
    """Some resources, and what changed alike in all of them; ``heading`` names them."""

    heading: str
    lines: tuple[Line, ...]


class Chapter(NamedTuple):
    """Environments, named in order, and what changed alike in all of them."""

    environments: tuple[str, ...]
    changes: int
    sections: tuple[Section, ...]


_LONGEST_PAIR = 120
_LONGEST_VALUE = 160
_AROUND_A_DIFFERENCE = 48
_MOST_LINES = 20
_MOST_DIFF_LINES = 40
_EXAMPLES = 2
_TEXT_ALONE = "only the text changed, not what it says"
_SIGNS = {"added": "+", "removed": "-"}
_MOST_NAMES = 4
#: In so many groups a change is of something that all environments have in common.
_SPREAD = 3


def abbreviated(names: Sequence[str]) -> str:
    """Name a few, and count the others: ``a, b and 398 more``."""
    if len(names) <= _MOST_NAMES:
        return ", ".join(names)
    return f"{', '.join(names[:2])} and {len(names) - 2} more"


def printable(text: str) -> str:
    """A text on one line, without characters that would steer a terminal or turn what is read around."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


def chapters(groups: Sequence[Group], names: Sequence[str]) -> list[Chapter]:
    """Tell groups, those of the most environments first; ``names`` are what the indices in variations stand for.

    A change of many resources, as by a label that everything gets, is in many groups, because not all environments have
    all of these resources. It is told once, in front of them.
    """
    alike: dict[str, list[tuple[int, Told]]] = {}
    for number, group in enumerate(groups):
        for told in group.changes:
            if told.place.path:
                alike.setdefault(_spread_key(told), []).append((number, told))
    found: list[Chapter] = []
    spread: set[str] = set()
    for key, places in alike.items():
        numbers = {number for number, _ in places}
        together = _together([told for _, told in places]) if len(numbers) >= _SPREAD else None
        if together is not None:
            spread.add(key)
            everyone = tuple(sorted({name for number in numbers for name in groups[number].environments}))
            heading = f"in each some of {_resources(list(dict.fromkeys(told.place.resource for _, told in places)))}"
            found.append(Chapter(everyone, len(places), (Section(heading, tuple(_told(together, names))),)))
    for group in groups:
        rest = [told for told in group.changes if not told.place.path or _spread_key(told) not in spread]
        if rest:
            found.append(Chapter(group.environments, len(rest), tuple(_sections(rest, names))))
    return _joined(sorted(found, key=lambda chapter: (-len(chapter.environments), chapter.environments)))


def _spread_key(told: Told) -> str:
    """A text that changes share if they may be one that is spread over resources."""
    values = _print(told, told.variations[0]) if len(told.variations) == 1 else ""
    return repr((told.place[1:], values))


def _together(changes: Sequence[Told]) -> Told | None:
    """One change in place of some; None where an environment has it with different values."""
    first = changes[0]
    if len(first.variations) == 1:
        return first
    values: dict[int, str] = {}
    variations: dict[str, tuple[Variation, set[int]]] = {}
    for told in changes:
        for one in told.variations:
            key = repr((one.old, one.new))
            variations.setdefault(key, (one, set()))[1].update(one.environments)
            if any(values.setdefault(index, key) != key for index in one.environments):
                return None
    merged = [one._replace(environments=tuple(sorted(indices))) for one, indices in variations.values()]
    return Told(first.place, tuple(sorted(merged, key=lambda one: one.environments)))


def _joined(chapters: Sequence[Chapter]) -> list[Chapter]:
    """Put chapters of the same environments together."""
    found: dict[tuple[str, ...], Chapter] = {}
    for chapter in chapters:
        known = found.get(chapter.environments, Chapter(chapter.environments, 0, ()))
        joined = known.changes + chapter.changes, (*known.sections, *chapter.sections)
        found[chapter.environments] = Chapter(chapter.environments, *joined)
    return list(found.values())


def _sections(changes: Sequence[Told], names: Sequence[str]) -> Iterator[Section]:
    """Part changes by the resources that have the same ones, in the order of the first of them."""
    alike: dict[str, list[Told]] = {}
    for told in changes:
        alike.setdefault("\n".join(dict.fromkeys(_print(told, one) for one in told.variations)), []).append(told)
    found: dict[tuple[ResourceId, ...], list[Line]] = {}
    for several in alike.values():
        lines = found.setdefault(tuple(told.place.resource for told in several), [])
        lines += _told(several[0], names)
    return (Section(_resources(resources), tuple(lines)) for resources, lines in found.items())


def _resources(resources: Sequence[ResourceId]) -> str:
    if len(resources) <= _MOST_NAMES:
        return ", ".join(map(str, resources))
    return f"{len(resources)} resources: {', '.join(map(str, resources[:2]))} and {len(resources) - 2} more"


def _print(told: Told, one: Variation) -> str:
    """A text that changes share if they are the same in all but the resource."""
    if not told.place.path and told.place.kind == "removed":
        return "removed"  # what was in it isn't told
    return repr((told.place[1:], one.old, one.new, one.environments if len(told.variations) > 1 else ()))


def _told(told: Told, names: Sequence[str]) -> Iterator[Line]:
    place = told.place
    path = spelled(place.path) + ("[]" if place.item else "")
    first = told.variations[0].environments[0]
    if len(told.variations) == 1:
        yield from _change(place, path, told.variations[0])
        return
    if not place.path and place.kind in _SIGNS:
        yield from _whole(place, told.variations[0].new, f", different by environment; in {names[first]}:")
        return
    yield Line(" ", f"{path or 'it'}: differs by environment, such as")
    for one in told.variations[:_EXAMPLES]:
        example = f"  {names[one.environments[0]]}"
        lines = list(_change(place, example, one))
        yield from lines if len(lines) == 1 else [Line(line.mark, f"  {line.text}") for line in lines[:_MOST_LINES]]
    rest = len(told.variations) - _EXAMPLES
    yield Line(" ", f"  and {rest} more")


def _change(place: Place, subject: str, values: Variation) -> Iterator[Line]:
    """Tell one change; ``subject`` stands before the values."""
    old, new = values.old, values.new
    if place.kind == "moved":
        yield _pair("its file", old, new)
    elif place.kind == "reordered":
        yield from _reordered(subject, old, new)
    elif place.kind == "text":
        is_resource = bool(place.resource.api_version)
        yield Line(" ", f"{subject or 'the file'}: {_TEXT_ALONE if is_resource else 'its text changed'}")
        indent = _indent([*old.splitlines(), *new.splitlines()])
        yield from _unified([line[indent:] for line in old.splitlines()], [line[indent:] for line in new.splitlines()])
    elif place.kind == "changed":
        yield from _changed(subject, old, new)
    else:
        yield from _one_sided(place, subject, new if place.kind == "added" else old)


def _whole(place: Place, tree: Any, remark: str = "") -> Iterator[Line]:
    """Tell of a resource that came, with what is in it, or went."""
    mark = _SIGNS[place.kind]
    if tree is None:
        yield Line(mark, place.kind)
        return
    yield Line(mark, f"{place.kind}{remark or ':'}")
    yield from _shortened([Line(mark, f"  {line}") for line in _content(tree)])


def _one_sided(place: Place, subject: str, value: Any) -> Iterator[Line]:
    mark = _SIGNS[place.kind]
    if not place.path and not place.item:
        yield from _whole(place, value if mark == "+" else None)
        return
    lines = _yaml(value)
    if len(lines) == 1 and not (isinstance(value, dict | list) and value):
        yield Line(mark, f"{subject}: {lines[0]}")
    else:
        yield Line(mark, f"{subject}:")
        yield from _shortened([Line(mark, f"  {line}") for line in lines])


def _changed(subject: str, old: Any, new: Any) -> Iterator[Line]:
    structured = any(isinstance(value, dict | list) and value for value in (old, new))
    if not structured and not any(isinstance(value, str) and "\n" in value.rstrip("\n") for value in (old, new)):
        before, after = _around(_inline(old), _inline(new))
        if len(subject) + len(before) + len(after) <= _LONGEST_PAIR:
            yield _pair(subject, before, after)
        else:
            yield Line(" ", f"{subject}:")
            yield from (Line("-", f"  {before}"), Line("+", f"  {after}"))
        return
    yield Line(" ", f"{subject}:")
    if isinstance(old, str) and isinstance(new, str):
        yield from _unified(old.splitlines(), new.splitlines())
    else:
        yield from _unified(_yaml(old), _yaml(new), _MOST_LINES)


def _reordered(subject: str, old: Sequence[str], new: Sequence[str]) -> Iterator[Line]:
    yield Line(" ", f"{subject}: the order changed")
    moved = [(left, right) for left, right in zip(old, new, strict=True) if left != right]
    first, last = next(i for i, name in enumerate(old) if name != new[i]), len(moved)
    shown = slice(first, max(first + last, first + 1))
    yield Line("-", f"  {', '.join(old[shown])}")
    yield Line("+", f"  {', '.join(new[shown])}")


def _pair(subject: str, old: str, new: str) -> Line:
    return Line("~", f"{subject}: {old} -> {new}", (f"{subject}: {old}", f"{subject}: {new}"))


def _inline(value: Any) -> str:
    return ("{}" if isinstance(value, dict) else "[]") if isinstance(value, dict | list) else scalar(value)


def _yaml(value: Any) -> list[str]:
    if isinstance(value, dict | list) and value:
        return block(value, sort_keys=False).splitlines()
    if isinstance(value, str) and "\n" in value.rstrip("\n"):
        return value.splitlines()
    return [_inline(value)]


def _content(tree: dict[str, Any]) -> list[str]:
    """A resource without what its heading says."""
    metadata = {key: value for key, value in tree["metadata"].items() if key not in {"name", "namespace"}}
    rest = {key: value for key, value in tree.items() if key not in {"apiVersion", "kind", "metadata"}}
    shown = {**({"metadata": metadata} if metadata else {}), **rest}
    return _yaml(shown) if shown else []


def _around(old: str, new: str) -> tuple[str, str]:
    """Two long texts on one line each, cut to what is around their difference."""
    if max(len(old), len(new)) <= _LONGEST_VALUE:
        return old, new
    start = _alike(old, new)
    end = _alike(old[start:][::-1], new[start:][::-1])
    first = start - _AROUND_A_DIFFERENCE if start > _AROUND_A_DIFFERENCE + 3 else 0
    cut = end - _AROUND_A_DIFFERENCE if end > _AROUND_A_DIFFERENCE + 3 else 0
    left, right = (f"{'…' if first else ''}{text[first : len(text) - cut]}{'…' if cut else ''}" for text in (old, new))
    return left, right


def _indent(lines: Sequence[str]) -> int:
    """How far in all lines stand."""
    return min((len(line) - len(line.lstrip(" ")) for line in lines if line.strip()), default=0)


def _alike(one: str, other: str) -> int:
    """The number of signs with which both begin."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((index for index, (left, right) in pairs if left != right), min(len(one), len(other)))


def _unified(old: Sequence[str], new: Sequence[str], around: int = 2) -> list[Line]:
    """The lines that differ, with some around them."""
    from difflib import unified_diff

    lines: list[Line] = []
    for line in list(unified_diff(old, new, n=around, lineterm=""))[2:]:
        if not line.startswith("@@"):
            lines.append(Line(line[0], f"  {line[1:]}"))
        elif lines:
            lines.append(Line(" ", "  …"))
    if not lines:
        lines.append(Line(" ", "  (line ends)"))
    return _shortened(lines, _MOST_DIFF_LINES)


def _shortened(lines: list[Line], most: int = _MOST_LINES) -> list[Line]:
    if len(lines) <= most + 1:
        return lines
    return [*lines[:most], Line(" ", f"  … and {len(lines) - most} lines more")]
