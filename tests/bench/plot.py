"""The figures as a picture: time over the size of the fleet, both on logarithmic scales, as SVG without any library.

It carries its own ground and both sets of colours, so it can be read on a light page and on a dark one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from math import ceil, floor, log10
from typing import NamedTuple

from tests.bench.figures import Figures
from tests.bench.names import COPY, HELM_LOOPS, KAPITAN_ONE, KUSTOMIZE_LOOP, SIDECERT_COLD, SIDECERT_WARM

WIDTH, HEIGHT = 900, 540
LEFT, RIGHT, TOP, BOTTOM = 84, 680, 76, 472  # the edges of the plot; labels stand to the right of it
LINE = 18  # from one label to the next

STYLE = """\
text { font: 14px sans-serif; fill: #1f2328 }
.title { font-size: 18px; font-weight: bold }
.quiet { fill: #59636e }
.ground { fill: #ffffff }
.grid { stroke: #d1d9e0 }
.line { fill: none; stroke-width: 2 }
.strong { stroke-width: 3.5 }
.label { paint-order: stroke; stroke: #ffffff; stroke-width: 5px }
.strong-label { font-weight: bold }
.dashed { stroke-dasharray: 6 4 }
.lead { stroke: #818b98; stroke-width: 1 }"""

STYLE_DARK = """\
text { fill: #f0f6fc }
.quiet { fill: #9198a1 }
.ground { fill: #0d1117 }
.grid { stroke: #3d444d }
.label { stroke: #0d1117 }"""


class Look(NamedTuple):
    """How a contender is drawn: colours on light and dark ground, the marker's outline around 0,0, and classes."""

    label: str
    light: str
    dark: str
    marker: str
    line_class: str = ""


CIRCLE = "M-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0 -9 0z"
SQUARE = "M-4 -4h8v8h-8z"
DIAMOND = "M0 -5.5l5.5 5.5l-5.5 5.5l-5.5 -5.5z"
UP = "M0 -5.5l5.5 10h-11z"
DOWN = "M0 5.5l5.5 -10h-11z"
PLUS = "M-1.5 -5h3v3.5h3.5v3h-3.5v3.5h-3v-3.5h-3.5v-3h3.5z"

LOOKS = {
    KUSTOMIZE_LOOP: Look("kubectl kustomize in a loop", "#8250df", "#ab7df8", DIAMOND),
    HELM_LOOPS[1]: Look("Helm 4 in a loop", "#bc4c00", "#f0883e", UP),
    HELM_LOOPS[0]: Look("Helm 3 in a loop", "#9a6700", "#d9a520", DOWN),
    KAPITAN_ONE: Look("kapitan, one resource", "#bf3989", "#f778ba", SQUARE),
    SIDECERT_COLD: Look("sidecert, from nothing", "#0969da", "#4493f8", CIRCLE, "strong"),
    SIDECERT_WARM: Look("sidecert, nothing changed", "#0969da", "#4493f8", CIRCLE, "dashed"),
    COPY: Look("cp -r of the output", "#59636e", "#9198a1", PLUS),
}


class Series(NamedTuple):
    """A line: its look and its points, (environments, seconds), from left to right."""

    look: Look
    points: Sequence[tuple[int, float]]


class Scale(NamedTuple):
    """Maps a range of powers of ten to a range of pixels."""

    first: float
    last: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        return self.start + (log10(value) - self.first) / (self.last - self.first) * (self.end - self.start)


def plot(figures: Figures) -> str:
    """Give the picture of the figures, which hold one contender of ``LOOKS`` at the least."""
    series = [one for name, look in LOOKS.items() if (one := Series(look, _points(figures, name))).points]
    sizes = [size for one in series for size, _ in one.points]
    times = [time for one in series for _, time in one.points]
    low, high = floor(log10(min(times))), ceil(log10(max(times)))
    across = Scale(0, max(1.0, log10(max(sizes))), LEFT, RIGHT)
    up = Scale(low, max(high, low + 1), BOTTOM, TOP)
    return "\n".join([*_head(), *_grid(across, up, sorted(set(sizes))), *_lines(series, across, up), "</svg>", ""])


def _points(figures: Figures, name: str) -> list[tuple[int, float]]:
    return sorted((size, figure.seconds) for (found, size), figure in figures.items() if found == name)


def _head() -> Iterator[str]:
    yield f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-labelledby="title">'
    yield '<title id="title">Seconds to render a fleet over the number of its environments, for each program</title>'
    light = "".join(f".c{index} {{ color: {look.light} }}\n" for index, look in enumerate(LOOKS.values()))
    dark = "".join(f".c{index} {{ color: {look.dark} }}\n" for index, look in enumerate(LOOKS.values()))
    yield f"<style>\n{STYLE}\n{light}@media (prefers-color-scheme: dark) {{\n{STYLE_DARK}\n{dark}}}\n</style>"
    yield f'<rect class="ground" width="{WIDTH}" height="{HEIGHT}" rx="6"/>'
    yield f'<text class="title" x="{LEFT}" y="34">Time to render a fleet</text>'
    yield f'<text class="quiet" x="{LEFT}" y="56">both scales are logarithmic; lower is faster</text>'


def _grid(across: Scale, up: Scale, sizes: Sequence[int]) -> Iterator[str]:
    for power in range(int(up.first), int(up.last) + 1):
        y = up(10.0**power)
        yield f'<path class="grid" d="M{LEFT} {y:.1f}H{RIGHT}"/>'
        yield f'<text class="quiet" x="{LEFT - 10}" y="{y + 5:.1f}" text-anchor="end">{10.0**power:,g} s</text>'
    for size in sizes:
        x = across(size)
        yield f'<path class="grid" d="M{x:.1f} {TOP}V{BOTTOM}"/>'
        yield f'<text class="quiet" x="{x:.1f}" y="{BOTTOM + 22}" text-anchor="middle">{size:,}</text>'
    middle = (LEFT + RIGHT) / 2
    yield f'<text x="{middle}" y="{BOTTOM + 48}" text-anchor="middle">environments</text>'
    y = (TOP + BOTTOM) / 2
    yield f'<text transform="translate(22 {y}) rotate(-90)" text-anchor="middle">seconds</text>'


def _lines(series: Sequence[Series], across: Scale, up: Scale) -> Iterator[str]:
    heights = _label_heights([(across(one.points[-1][0]), up(one.points[-1][1])) for one in series])
    order = [*LOOKS.values()]
    for one, height in zip(series, heights, strict=True):
        dots = [(across(size), up(time)) for size, time in one.points]
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in dots)
        yield f'<g class="c{order.index(one.look)}">'
        yield f'<path class="line {one.look.line_class}" stroke="currentColor" d="M{path}"/>'
        for x, y in dots:
            yield f'<path fill="currentColor" transform="translate({x:.1f} {y:.1f})" d="{one.look.marker}"/>'
        x, y = dots[-1]
        if abs(height - y) > LINE / 4:
            yield f'<path class="lead" d="M{x + 7:.1f} {y:.1f}L{x + 16:.1f} {height:.1f}"/>'
        strong = " strong-label" if one.look.line_class == "strong" else ""
        yield f'<text class="label{strong}" x="{x + 20:.1f}" y="{height + 5:.1f}">{escape(one.look.label)}</text>'
        yield "</g>"


def _label_heights(ends: Sequence[tuple[float, float]]) -> list[float]:
    """Give a height for the label of each line's end, such that labels in one column keep a line's distance.

    Each is as near to its line as that allows: labels that meet are spread around their middle.
    """
    heights = [y for _, y in ends]
    for column in {x for x, _ in ends}:
        order = sorted((index for index, (x, _) in enumerate(ends) if x == column), key=lambda index: ends[index][1])
        groups: list[list[int]] = []
        for index in order:
            groups.append([index])
            while len(groups) > 1 and _top(groups[-1], ends) < _top(groups[-2], ends) + LINE * len(groups[-2]):
                last = groups.pop()
                groups[-1] += last
        for group in groups:
            for place, index in enumerate(group):
                heights[index] = _top(group, ends) + LINE * place
    return heights


def _top(group: Sequence[int], ends: Sequence[tuple[float, float]]) -> float:
    """Give the height of a group's first label, with the group around the middle of its lines' ends."""
    middle = sum(ends[index][1] for index in group) / len(group)
    return middle - LINE * (len(group) - 1) / 2
