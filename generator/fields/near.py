"""Which known field a misspelt one is meant to be.

Tables grow older than clusters, so a field that is merely unknown says nothing. It has to look like a slip: the same
letters in another spelling, one letter that differs, or the same words but for one that is nearly the same.
``restartPolicyRules`` is a field of its own beside ``restartPolicy``, ``volumeMount`` is ``volumeMounts``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

WHOLE = 0.8  # how alike the whole names have to be, as difflib counts: 1 is equal
WORD = 0.8  # and the word that differs
RUN_TOGETHER = 0.9  # and the whole where the words can't be told apart
LONG = 6  # letters from which on one stroke of the keyboard is a slip, whatever word it is in

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")


def plain(name: str) -> str:
    """Give a name without what spellings differ in: case, ``_`` and ``-``."""
    return name.replace("_", "").replace("-", "").lower()


def same_letters(name: str, known: Iterable[str]) -> str:
    """Give the known name that is written with the same letters, or ``""``."""
    wanted = plain(name)
    return next((other for other in known if plain(other) == wanted), "")


def nearest(name: str, known: Iterable[str]) -> str:
    """Give the known name that another one is a slip of, or ``""``."""
    names = list(known)
    if same := same_letters(name, names):
        return same
    from difflib import SequenceMatcher

    best, ratio = "", 0.0
    for other in names:
        if _cut(name, other):
            return other
        matcher = SequenceMatcher(None, plain(name), plain(other))
        if matcher.quick_ratio() >= WHOLE and matcher.ratio() > max(ratio, WHOLE) and _slip(name, other):
            best, ratio = other, matcher.ratio()
    return best


def _cut(name: str, other: str) -> bool:
    """Tell whether a name lost its first letters when it was copied: ``iVersion``."""
    return len(name) > 3 and other.endswith(name) and len(other) - len(name) <= 2


def _slip(name: str, other: str) -> bool:
    """Tell whether a name may be a slip of another one, which is nearly the same."""
    from difflib import SequenceMatcher

    if _one_stroke(plain(name), plain(other)):
        return True
    mine, theirs = _words(name), _words(other)
    if len(mine) != len(theirs):
        whole = SequenceMatcher(None, plain(name), plain(other)).ratio()
        return len(mine) == 1 and whole >= RUN_TOGETHER
    differing = [(one, two) for one, two in zip(mine, theirs, strict=True) if one != two]
    return len(differing) == 1 and SequenceMatcher(None, *differing[0]).ratio() >= WORD


def _one_stroke(name: str, other: str) -> bool:
    """Tell whether two long names differ by a letter that is missing, added or wrong, or by two that changed places."""
    if min(len(name), len(other)) < LONG:
        return False
    start = _alike(name, other)
    name, other = name[start:], other[start:]
    end = _alike(name[::-1], other[::-1])
    name, other = name[: len(name) - end], other[: len(other) - end]
    return max(len(name), len(other)) <= 1 or (len(name) == 2 and name == other[::-1])


def _alike(name: str, other: str) -> int:
    """Count the letters with which both names begin."""
    pairs = enumerate(zip(name, other, strict=False))
    return next((number for number, (one, two) in pairs if one != two), min(len(name), len(other)))


def _words(name: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(name)]
