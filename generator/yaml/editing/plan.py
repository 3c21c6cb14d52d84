"""What to change next in a document so that it comes to hold other values: one entry at a time."""

from __future__ import annotations

from generator.yaml.editing.anchors import brought
from generator.yaml.editing.nodes import Document, Node, Step

# Lists longer than this are compared from both ends alone.
_LONGEST_ALIGNED = 150


def same(one: object, other: object) -> bool:
    """Say whether two trees hold the same values of the same types, whatever the order of keys."""
    if one is other:
        return True
    if isinstance(one, dict) and isinstance(other, dict):
        return len(one) == len(other) and all(key in other and same(item, other[key]) for key, item in one.items())
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and (one == other or (one != one and other != other))  # noqa: PLR0124  # NaN


def result(root: Node, step: Step) -> object:
    """Give what a document holds after a step."""
    return _result(root, step, 0)


def _result(node: Node, step: Step, depth: int) -> object:
    last = depth == len(step.chain) - 1
    if last and step.action in {"replace", "unmerge"}:
        return step.value if step.action == "replace" else node.value
    index = step.indices[depth]
    if node.kind == "list":
        items = list(node.value)
        if not last:
            items[index] = _result(step.chain[depth + 1], step, depth + 1)
        elif step.action == "insert":
            items.insert(index, step.value)
        else:
            del items[index]
        return items
    if last and step.action == "remove":
        return {key: item for key, item in node.value.items() if key != node.entries[index].name}
    inner = step.value if last else _result(step.chain[depth + 1], step, depth + 1)
    return {**node.value, (step.name if last else node.entries[index].name): inner}


def next_step(document: Document, wanted: object) -> Step:
    """Give the next step towards a tree that the document doesn't hold yet."""
    return _step((document.root,), (), wanted)


def _step(chain: tuple[Node, ...], indices: tuple[int, ...], wanted: object) -> Step:
    """Give the first step that makes the last node of a chain, which holds something else, hold what is wanted."""
    node = chain[-1]
    if node.entries and isinstance(wanted, dict) and node.kind == "map":
        return _map_step(chain, indices, wanted)
    if node.entries and isinstance(wanted, (list, tuple)) and node.kind == "list":
        return _list_step(chain, indices, list(wanted))
    return Step("replace", chain, indices, wanted)


def _map_step(chain: tuple[Node, ...], indices: tuple[int, ...], wanted: dict[str, object]) -> Step:
    """Change what differs, add what is missing, then take out what is too much: so a map is never empty on the way."""
    node = chain[-1]
    own = {entry.name for entry in node.entries if not entry.merge}
    for index, entry in enumerate(node.entries):
        if not entry.merge and entry.name in wanted and not same(entry.node.value, wanted[entry.name]):
            return _step((*chain, entry.node), (*indices, index), wanted[entry.name])
    for key, value in wanted.items():
        if key not in own and not (key in node.value and same(node.value[key], value)):
            return Step("insert", chain, (*indices, _place_of_new(key, node)), value, key)
    surplus = [index for index, entry in enumerate(node.entries) if not entry.merge and entry.name not in wanted]
    if any(key not in wanted for entry in node.entries if entry.merge for key in brought(entry)):
        # What a merge key brings can't be taken out as long as it does.
        merge = next(index for index, entry in enumerate(node.entries) if entry.merge)
        return Step("unmerge", chain, (*indices, merge))
    return Step("remove", chain, (*indices, surplus[0]))


def _place_of_new(key: str, node: Node) -> int:
    """Give the number that a new entry gets: the last, but an object's ``apiVersion`` stands above its ``kind``."""
    names = [entry.name for entry in node.entries]
    return names.index("kind") if key == "apiVersion" and "kind" in names else len(names)


def _list_step(chain: tuple[Node, ...], indices: tuple[int, ...], wanted: list[object]) -> Step:
    """Put in what is new, then change what belongs together, then take out what is left over."""
    node = chain[-1]
    pairs = _aligned(node.value, wanted)
    partner = {j: i for i, j in pairs}
    place = 0
    for j, value in enumerate(wanted):
        if j not in partner:
            return Step("insert", chain, (*indices, place), value)
        place = partner[j] + 1
    for i, j in pairs:
        if not same(node.value[i], wanted[j]):
            return _step((*chain, node.entries[i].node), (*indices, i), wanted[j])
    kept = {i for i, _ in pairs}
    gone = [i for i in range(len(node.value)) if i not in kept]
    return Step("remove", chain, (*indices, gone[-1]))


def _aligned(old: list[object], new: list[object]) -> list[tuple[int, int]]:
    """Pair the items of two lists in order: equal ones, those of one name, then others."""
    start = 0
    while start < min(len(old), len(new)) and same(old[start], new[start]):
        start += 1
    end = 0
    while end < min(len(old), len(new)) - start and same(old[-1 - end], new[-1 - end]):
        end += 1
    pairs = [(index, index) for index in range(start)]
    m, n = len(old) - start - end, len(new) - start - end
    if max(m, n) > _LONGEST_ALIGNED:
        pairs += [(start + k, start + k) for k in range(min(m, n))]
    else:
        middle = _best(old[start : start + m], new[start : start + n])
        pairs += [(start + i, start + j) for i, j in middle]
    return pairs + [(len(old) - end + k, len(new) - end + k) for k in range(end)]


def _best(old: list[object], new: list[object]) -> list[tuple[int, int]]:
    """Pair items in order so that what they have in common adds up to the most."""
    m, n = len(old), len(new)
    likeness = [[_likeness(one, other) for other in new] for one in old]
    best = [[0] * (n + 1) for _ in range(m + 1)]
    for i in range(m - 1, -1, -1):
        for j in range(n - 1, -1, -1):
            best[i][j] = max(best[i + 1][j], best[i][j + 1], likeness[i][j] + best[i + 1][j + 1])
    pairs, i, j = [], 0, 0
    while i < m and j < n:
        if best[i][j] == likeness[i][j] + best[i + 1][j + 1]:
            pairs.append((i, j))
            i, j = i + 1, j + 1
        elif best[i][j] == best[i + 1][j]:
            i += 1
        else:
            j += 1
    return pairs


def _likeness(one: object, other: object) -> int:
    if same(one, other):
        return 5
    if isinstance(one, dict) and isinstance(other, dict):
        named = "name" in one or "name" in other
        return 4 if named and same(one.get("name"), other.get("name")) else 1
    return 1
