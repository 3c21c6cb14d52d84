"""The parts of the benchmark that can go wrong unnoticed: what is counted, what is promised, how it is shown."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from itertools import pairwise
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import Environment as Jinja

from tests.bench import contenders, fleet, kapitan, plot, report
from tests.bench.contenders import Contender, Fleet, Loop
from tests.bench.figures import Figure
from tests.bench.measure import measure
from tests.bench.names import HELM_LOOPS, KAPITAN_ONE, SIDECERT_COLD
from tests.bench.programs import ProgramError, peak_memory, seconds
from tests.bench.promises import Promise, promises

MEGABYTE = 1 << 20
SVG = "{http://www.w3.org/2000/svg}"


def a_fleet(folder, count) -> Fleet:
    environments = fleet.environments(count)
    return Fleet(folder, tuple(environments))


# ------------------------------------------------------------------------------------------------------- the fleets


def test_a_fleet_holds_every_kind_of_environment_and_a_tenth_of_them_differ_in_more():
    environments = fleet.environments(1_000)
    assert len({environment.name() for environment in environments}) == 1_000
    assert len({environment.overlay() for environment in environments}) == 1_000
    assert sum(environment.more for environment in environments) == 100
    assert {environment.name().count("/") for environment in environments} == {2}
    for more in (False, True):
        assert {each.variant for each in environments if each.more == more} == set(fleet.VARIANTS)


def test_the_environments_that_are_compared_are_of_every_kind(tmp_path):
    samples = a_fleet(tmp_path, 1_000).samples()
    assert len(samples) == len(set(samples)) == 8 * contenders.SAMPLES
    assert len({(each.variant, each.more) for each in samples}) == 8
    assert [each.cluster for each in a_fleet(tmp_path, 1).samples()] == ["cluster-00000"]


def test_a_jinja_file_for_kapitan_gives_the_text_it_was_made_from():
    rendered = "# header\ncluster: eu-1\nurl: https://x.north.example.com\nrule: '{{ $value }} {% x %} {# y #}'\n"
    text = rendered.replace("eu-1", "placeholder-cluster").replace("north", "placeholder-region")
    values = {"parameters": {"cluster": "eu-1", "region": "north"}}
    given_back = Jinja(keep_trailing_newline=True).from_string(kapitan._as_jinja(text)).render(inventory=values)
    assert given_back == rendered.removeprefix("# header\n")


def test_a_resource_that_names_no_cluster_is_no_use_for_kapitan():
    with pytest.raises(ProgramError):
        kapitan._as_jinja("# header\nkind: ServiceAccount\n")


# -------------------------------------------------------------------------------------------------------- measuring


def test_the_memory_of_a_child_of_a_child_counts_and_what_they_share_counts_once():
    grow = f"keep = b'x' * {60 * MEGABYTE}\nimport os, time\nchild = os.fork()\ntime.sleep(0.3)\n"
    peak = peak_memory(
        [sys.executable, "-c", f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {grow!r}])"]
    )
    assert 60 * MEGABYTE < peak < 100 * MEGABYTE


@pytest.mark.parametrize("run", [seconds, peak_memory])
def test_a_program_that_fails_is_an_error_with_what_it_printed(run):
    with pytest.raises(ProgramError, match=r"exit 3\nno such fleet"):
        run(["sh", "-c", "echo no such fleet >&2; exit 3"])


ECHO = '  while read -r name; do {program} "$name" > {written}/"$name".yaml; done < {names}'


@pytest.mark.parametrize("both_cores", [False, True])
def test_a_loop_calls_its_program_for_every_environment(tmp_path, both_cores):
    some = a_fleet(tmp_path / "a folder's name", 11)
    loop = Loop("echo", ECHO, "echo", both_cores)
    loop.before(some)
    seconds(loop.command(some, some.names))
    assert {name: (loop._written(some) / f"{name}.yaml").read_text() for name in some.names} == {
        name: f"{name}\n" for name in some.names
    }


@pytest.mark.parametrize("both_cores", [False, True])
@pytest.mark.parametrize("number", [0, 1, 2, 9, 10])
def test_a_loop_fails_where_one_call_fails(tmp_path, both_cores, number):
    some = a_fleet(tmp_path, 11)
    fail = tmp_path / "fail"
    fail.write_text(f"#!/bin/sh\ntest $1 != {some.names[number]}\n")
    fail.chmod(0o755)
    loop = Loop("fail", ECHO, str(fail), both_cores)
    loop.before(some)
    with pytest.raises(ProgramError):
        seconds(loop.command(some, some.names))


class Noted(Contender):
    """Notes what it is asked for, and needs no program."""

    watched = False

    def __init__(self, name: str, loop: bool, command: str = "true", complaint: str = "") -> None:
        self.name = name
        self.loop = loop
        self.asked: list[tuple[str, ...]] = []
        self._command = command
        self._complaint = complaint

    def command(self, fleet: Fleet, names: Sequence[str]) -> list[str]:
        self.asked.append(tuple(names))
        return [self._command]

    def check(self, fleet: Fleet) -> Iterator[str]:
        if self._complaint:
            yield self._complaint


def test_a_large_loop_is_cut_into_parts_that_make_the_whole_fleet(tmp_path):
    some = a_fleet(tmp_path, 100)
    loop, whole = Noted("loop", loop=True), Noted("whole", loop=False)
    figures, wrong = measure(some, [loop, whole], lambda _: None)
    assert sorted(name for part in loop.asked for name in part) == list(some.names)
    assert whole.asked == [some.names] * 3
    assert set(figures) == {("loop", 100), ("whole", 100)}
    assert wrong == []


def test_a_program_that_fails_is_told_and_has_no_figures_but_the_others_have(tmp_path):
    found = [Noted("good", loop=False), Noted("bad", loop=False, command="false"), Noted("last", loop=False)]
    figures, wrong = measure(a_fleet(tmp_path, 1), found, lambda _: None)
    assert set(figures) == {("good", 1), ("last", 1)}
    assert wrong == ["bad: false: exit 1\n"]


def test_an_output_that_is_wrong_is_told_once(tmp_path):
    _, wrong = measure(a_fleet(tmp_path, 1), [Noted("odd", loop=False, complaint="not equal")], lambda _: None)
    assert wrong == ["not equal"]


# --------------------------------------------------------------------------------------------------------- promises


def of_thousand(**figures: float) -> dict[tuple[str, int], Figure]:
    names = {"sidecert": SIDECERT_COLD, "helm": HELM_LOOPS[0], "kapitan": KAPITAN_ONE}
    return {(names[name], 1_000): Figure(taken, None) for name, taken in figures.items()}


@pytest.mark.parametrize(
    ("taken", "verdict"),
    [
        (14.9, "not reached"),
        (15.0, "reached, not the 25 we want"),
        (24.9, "reached, not the 25 we want"),
        (25.0, "reached, and the 25 we want"),
    ],
)
def test_a_promise_is_kept_from_its_bound_on(taken, verdict):
    [promise] = promises(of_thousand(sidecert=1.0, helm=taken))
    assert promise.claim == "1,000 environments: Helm 3 in a loop / sidecert"
    assert promise.verdict == verdict
    assert promise.reached == (taken >= 15)


def test_a_promise_of_at_most_is_kept_up_to_its_bound():
    assert Promise("a", 1.0, at_most=1).verdict == "reached"
    assert Promise("a", 1.001, at_most=1).verdict == "not reached"
    assert Promise("a", 1.0).verdict == Promise("a", 1.0).bound == ""


def test_what_was_not_measured_is_not_told():
    assert promises(of_thousand(helm=80.0)) == []


def test_memory_is_compared_with_memory():
    figures = {(SIDECERT_COLD, 1_000): Figure(1.0, 100), (SIDECERT_COLD, 10_000): Figure(12.0, 140)}
    found = {promise.claim: (promise.measured, promise.verdict) for promise in promises(figures)}
    assert found["sidecert: 10,000 environments / 1,000"] == (12.0, "not reached")
    assert found["peak memory, sidecert: 10,000 environments / 1,000"] == (1.4, "reached")


# ----------------------------------------------------------------------------------------------------------- tables


@pytest.mark.parametrize(
    ("value", "printed"),
    [
        (0.00012, "0.000"),
        (0.0996, "0.100"),
        (0.99949, "0.999"),
        (0.9996, "1.00"),
        (9.996, "10.0"),
        (99.96, "100"),
        (1234.5, "1,234"),
    ],
)
def test_numbers_are_printed_with_three_digits(value, printed):
    assert report.in_three_digits(value) == printed


def test_what_was_not_measured_stays_empty_in_the_tables():
    figures = of_thousand(sidecert=2.0, helm=50.0) | {(SIDECERT_COLD, 1): Figure(0.5, 3 * MEGABYTE)}
    found = {table.title: table for table in report.tables(figures, [], [])}
    assert found["Time"].header == ["environments", "1", "1,000"]
    assert found["Time"].rows == [["sidecert", "0.500 s", "2.00 s"], ["Helm 3 in a loop", "", "50.0 s"]]
    assert found["Time, as a multiple of sidecert's"].rows == [["Helm 3 in a loop", "", "25.0"]]
    assert found["Peak memory"].rows == [["sidecert", "3 MiB", ""]]


def test_a_table_lines_up_as_text_and_is_one_in_markdown():
    table = report.Table("Time", ["environments", "1"], [["a | b", "10 s"], ["c", ""]])
    assert table.as_text() == "Time\n\nenvironments     1\na | b         10 s\nc"
    rows = table.as_markdown().splitlines()
    assert rows == ["### Time", "", "| environments | 1 |", "| --- | ---: |", "| a \\| b | 10 s |", "| c |  |"]


def test_a_report_takes_the_place_of_the_one_before():
    table = report.Table("Time", ["environments"], [["new \\1"]])
    once = report.into_document(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n", [table])
    assert "old" not in once
    assert "new \\1" in once
    assert re.match(r"before\n<!--.*\n\n### Time\n", once)
    assert once.endswith(f"\n{report.END}\nafter\n")
    assert report.into_document(once, [table]) == once


@pytest.mark.parametrize("text", ["", f"{report.END}\n{report.BEGIN}\n", f"{report.BEGIN}\n{report.END}\n" * 2])
def test_a_document_without_one_place_for_the_report_is_an_error(text):
    with pytest.raises(ValueError, match="not one"):
        report.into_document(text, [])


# ------------------------------------------------------------------------------------------------------------- plot


def drawn(figures) -> ET.Element:
    return ET.fromstring(plot.plot(figures))


def texts(svg: ET.Element) -> list[str]:
    return [str(each.text) for each in svg.iter(f"{SVG}text")]


def test_the_plot_has_a_line_and_a_label_for_each_program_that_was_measured():
    figures = of_thousand(sidecert=2.0, helm=50.0) | {(SIDECERT_COLD, 1): Figure(0.2, None)}
    svg = drawn(figures)
    assert {"sidecert, from nothing", "Helm 3 in a loop", "1", "1,000", "0.1 s", "100 s"} <= set(texts(svg))
    assert "kapitan, one resource" not in texts(svg)
    lines = [each.attrib["d"] for each in svg.iter(f"{SVG}path") if "line" in each.attrib.get("class", "")]
    assert len(lines) == 2


def test_a_point_lies_where_its_figures_say():
    svg = drawn({(SIDECERT_COLD, 1): Figure(0.1, None), (SIDECERT_COLD, 100): Figure(10.0, None)})
    [line] = [each.attrib["d"] for each in svg.iter(f"{SVG}path") if "line" in each.attrib.get("class", "")]
    assert line == f"M{plot.LEFT}.0 {plot.BOTTOM}.0L{plot.RIGHT}.0 {plot.TOP}.0"


@given(st.lists(st.floats(1e-3, 1e4), min_size=len(plot.LOOKS), max_size=len(plot.LOOKS)))
def test_labels_never_meet_and_keep_the_order_of_their_lines(times):
    svg = drawn({(name, 1_000): Figure(taken, None) for name, taken in zip(plot.LOOKS, times, strict=True)})
    heights = {each.text: float(each.attrib["y"]) for each in svg.iter(f"{SVG}text") if "label" in _class(each)}
    in_order = sorted(zip(plot.LOOKS.values(), times, strict=True), key=lambda pair: -pair[1])
    for (first, above), (second, below) in pairwise(in_order):
        distance = heights[second.label] - heights[first.label]
        assert distance > plot.LINE - 0.2 or above == below


def _class(element: ET.Element) -> str:
    return element.attrib.get("class", "")
