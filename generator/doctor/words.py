"""Texts for readers: safe to print, wrapped, cut to their first sentences."""

from __future__ import annotations

import re
from collections.abc import Iterator


def plain(text: str) -> str:
    """Give a text without control characters: what foreign files hold must not steer a terminal."""
    return "".join(letter if letter.isprintable() else "?" for letter in text.replace("\t", " "))


def wrapped(text: str, width: int, start: str = "", indent: str | None = None) -> list[str]:
    """Wrap a text, which begins with ``start`` and goes on ``indent`` in; what is one word is never broken."""
    from textwrap import wrap

    return wrap(
        plain(" ".join(text.split())),
        width,
        initial_indent=start,
        subsequent_indent=" " * len(start) if indent is None else indent,
        break_long_words=False,
        break_on_hyphens=False,
    ) or [start.rstrip()]


def paragraphs(markdown: str) -> Iterator[str]:
    """Take a Markdown text apart: each paragraph on one line, items of a list and tables line by line."""
    for part in re.split(r"\n\s*\n", markdown.strip()):
        if re.match(r"[-*|>] ?", part):
            yield from re.split(r"\n(?=[-*|>])", part)
        else:
            yield " ".join(part.split())


def first_sentences(markdown: str, most: int = 240) -> str:
    """Give the first sentences of a Markdown text: one that says something, and the next where it still fits.

    ``most`` is the number of letters that two sentences may have.
    """
    first = next(paragraphs(markdown), "")
    sentences = re.split(r"(?<=[.!?])\s+(?=[A-Z`\"(0-9])", first)
    short = sentences[0]
    for number, sentence in enumerate(sentences[1:]):
        if len(short) > _TELLING and (number > 0 or len(short) + len(sentence) >= most):
            break
        short = f"{short} {sentence}"
    return short


#: A sentence of no more letters than this says too little alone ("Istio reads the pod.").
_TELLING = 60


def counted(number: int, noun: str) -> str:
    """``1 file``, ``2 files``."""
    plural = noun if number == 1 else f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    if number != 1 and noun.endswith("us"):
        plural = f"{noun}es"
    return f"{number} {plural}"
