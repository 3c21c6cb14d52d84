"""The forms in which findings are told, on findings made for it."""

from __future__ import annotations

import json
import textwrap
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterable
from typing import Any

import jsonschema_rs
import pytest

from generator.doctor import Diagnosis, Finding, Fix, Rule
from generator.doctor.github import github_lines
from generator.doctor.junit import junit_lines
from generator.doctor.report import Report, as_data, fingerprints, groups, repairs
from generator.doctor.rule import Severity
from generator.doctor.sarif import as_sarif
from generator.doctor.text import PLACES, quoted, short_lines, text_lines
from generator.doctor.words import counted, first_sentences, paragraphs, plain
from generator.errors import Location, Problem
from generator.intake.document import Document, documents_of
from generator.monitoring import Edit, Setup, assemble

TEXT = """\
apiVersion: v1
kind: ConfigMap
metadata:
  name: one
  namespace: mon
data:
  prometheus.yml: |
    scrape_configs:
    - job_name: web
      scheme: https
---
apiVersion: v1
kind: Pod
metadata:
  name: two
spec:
  volumes:
  - name: certs
    secret: {secretName: istio.default}
"""


def nothing(_setup: Setup) -> Any:
    return iter(())


def made_rule(rule_id: str = "bad-thing", severity: Severity = "error", **fields: Any) -> Rule:
    usual: dict[str, Any] = {
        "title": "A thing is bad",
        "stage": "scraping",
        "why": "Because of this, which takes more than a few words to tell. It `breaks`.\n\nMore.",
        "since": "Istio 1.6",
        "sources": ("istio#1",),
        "wrong": "a: b\n",
        "check": nothing,
    }
    return Rule(id=rule_id, severity=severity, **{**usual, **fields})


BAD = made_rule()
RISKY = made_rule("risky-thing", "warning", title="A thing is risky", since="")


def config_and_pod(text: str = TEXT, source: str = "some.yaml") -> tuple[Document, Document]:
    config, pod = documents_of(text, source)
    return config, pod


def finding(document: Document, path: tuple[str | int, ...], found: str, rule: Rule = BAD, fix: Fix | None = None):
    return Finding(rule, document, path, found, fix, rule.severity, str(document))


def made_report(*findings: Finding, unjudged: tuple[Problem, ...] = (), silenced: int = 0, **fields: Any) -> Report:
    documents = list(dict.fromkeys(one.document for one in findings if one.document.outer is None))
    return Report(
        Diagnosis(findings, unjudged, silenced),
        (assemble(documents or list(config_and_pod())),),
        tuple({one.rule.id: one.rule for one in findings}.values()) or (BAD, RISKY),
        **fields,
    )


def usual_report() -> Report:
    config, pod = config_and_pod()
    inner = config.embedded(("data", "prometheus.yml"))
    assert inner is not None
    edit = Edit(inner, ("scrape_configs", 0, "scheme"), "http")
    return made_report(
        Finding(
            BAD,
            inner,
            ("scrape_configs", 0, "scheme"),
            "job web is https",
            Fix("use http", (edit,)),
            "error",
            "job web",
        ),
        finding(pod, ("spec", "volumes", 0, "secret"), "the volume certs: 100% wrong", RISKY, Fix("take it out")),
        unjudged=(Problem("no workload is here", Location("some.yaml", 1, 1), hint="give it"),),
        silenced=1,
    )


class TestText:
    def test_tells_each_finding_with_its_place_reason_and_repair(self):
        assert "\n".join(text_lines(usual_report(), 70)) + "\n" == textwrap.dedent("""\
            Jobs and monitors use them

            1. error: A thing is bad [bad-thing]
               some.yaml:10:7  job web
                 10 |       scheme: https
                    |       ^
               found   job web is https
               why     Because of this, which takes more than a few words to tell.
                       It `breaks`.
               since   Istio 1.6
               fix     use http
                         scrape_configs:
                         - job_name: web
                           scheme: http
               page    docs/rules.md#bad-thing

            2. warning: A thing is risky [risky-thing]
               some.yaml:19:5  Pod two
                 19 |     secret: {secretName: istio.default}
                    |     ^
               found   the volume certs: 100% wrong
               why     Because of this, which takes more than a few words to tell.
                       It `breaks`.
               fix     take it out
               page    docs/rules.md#risky-thing

            Can't be judged

              some.yaml:1:1: no workload is here
                give it

            1 error, 1 warning in 1 file (1 object, no Prometheus)
            Silenced by comments in the files: 1
            Fixed by `sidecert migrate`: 1
            """)

    def test_of_nothing_says_how_much_was_read(self):
        assert list(text_lines(made_report())) == ["Nothing wrong found in 1 file (2 objects, no Prometheus)"]

    @pytest.mark.parametrize("width", [40, 60, 80, 100])
    def test_is_no_wider_than_asked(self, width):
        found = "a long story of words " * 20
        report = made_report(finding(config_and_pod()[1], ("spec",), found))
        assert max(map(len, text_lines(report, width))) <= width

    def test_shows_the_first_places_of_a_kind_and_counts_the_others(self):
        pod = config_and_pod()[1]
        edits = [Edit(pod, ("metadata", "labels", f"l{number}"), "x") for number in range(PLACES + 2)]
        told = [finding(pod, ("spec",), f"place {n}", fix=Fix("set it", (edit,))) for n, edit in enumerate(edits)]
        text = "\n".join(text_lines(made_report(*told)))

        assert f"place {PLACES - 1}\n" in text
        assert f"place {PLACES}\n" not in text
        assert "and 2 more: -q lists them all" in text
        assert text.count("fix     set it") == 1
        assert "l0: x\n" in text
        assert "`sidecert migrate` fixes them all" in text

    def test_shows_the_same_yaml_once(self):
        pod = config_and_pod()[1]
        fix = Fix("set it", yaml="a: b\n")
        text = "\n".join(
            text_lines(
                made_report(finding(pod, (), "x", fix=fix), finding(pod, (), "y", RISKY, Fix("so", yaml="a: b")))
            )
        )
        assert text.count("a: b") == 1
        assert "(the YAML is that of 1)" in text

    def test_names_no_resource_where_there_is_none(self):
        (values,) = documents_of("server:\n  a: b\n", "values.yaml")
        told = list(text_lines(made_report(finding(values, ("server", "a"), "x"))))
        assert "   values.yaml:2:3" in told

    def test_tells_a_finding_in_one_line_where_that_is_asked_for(self):
        assert list(short_lines(usual_report())) == [
            "some.yaml:10:7: error: job web is https [bad-thing]",
            "some.yaml:19:5: warning: the volume certs: 100% wrong [risky-thing]",
        ]


class TestQuoting:
    def test_cuts_a_long_line_around_the_place(self):
        text = json.dumps(
            {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x" * 200}, "spec": {"a": "y" * 200}}
        )
        (pod,) = documents_of(text, "pod.json")
        line, mark = quoted(finding(pod, ("spec", "a"), "x"), 80)

        assert len(line) <= 80
        assert line[mark.index("^") :].startswith('"a": "yyy')

    def test_marks_the_place_behind_wide_letters(self):
        (pod,) = documents_of("kind: Pod\nspec: {\u540d: 1, b: 2}\n", "pod.yaml")
        line, mark = quoted(finding(pod, ("spec", "b"), "x"), 80)
        assert mark.index("^") == line.index("b: 2") + 1

    def test_shows_nothing_of_a_secret(self):
        text = "apiVersion: v1\nkind: Secret\nstringData:\n  prometheus.yml: |\n    password: hunter2\n"
        (secret,) = documents_of(text, "secret.yaml")
        inner = secret.embedded(("stringData", "prometheus.yml"))
        assert inner is not None
        told = finding(inner, ("password",), "x")

        assert told.location.line == 5
        assert quoted(told, 80) == []

    def test_of_crlf_and_tabs_keeps_the_mark_in_place(self):
        (pod,) = documents_of("kind: Pod\r\nspec: {a: 1,\tb: 2}\r\n", "pod.yaml")
        line, mark = quoted(finding(pod, ("spec", "b"), "x"), 80)
        assert line[mark.index("^") :] == "b: 2}"


class TestGroups:
    def test_are_of_one_rule_and_one_severity(self):
        pod = config_and_pod()[1]
        mild = finding(pod, (), "b")._replace(severity="info")
        listed = groups([finding(pod, (), "a"), finding(pod, (), "c", RISKY), mild, finding(pod, (), "d")])
        assert [(one.rule.id, one.severity, [f.found for f in one.findings]) for one in listed] == [
            ("bad-thing", "error", ["a", "d"]),
            ("risky-thing", "warning", ["c"]),
            ("bad-thing", "info", ["b"]),
        ]

    def test_have_one_repair_for_what_is_done_alike(self):
        pod = config_and_pod()[1]
        one, other = (Edit(pod, ("metadata", "labels", name), "x") for name in "ab")
        told = [
            finding(pod, (), "a", fix=Fix("label it", (one,))),
            finding(pod, (), "b", fix=Fix("label it", (one, other))),
            finding(pod, (), "c", fix=Fix("wait")),
            finding(pod, (), "d"),
        ]
        assert repairs(told) == [("label it", "metadata:\n  labels:\n    a: x\n    b: x"), ("wait", "")]


class TestData:
    def test_has_everything_a_program_needs(self):
        data = as_data(usual_report())
        assert (data["apiVersion"], data["kind"]) == ("sidecert.dev/v1alpha1", "DoctorReport")
        assert data["summary"] == {
            "files": 1,
            "objects": 1,
            "valuesFiles": 0,
            "prometheuses": 0,
            "errors": 1,
            "warnings": 1,
            "infos": 0,
            "silenced": 1,
            "fixable": 1,
        }
        first = data["findings"][0]
        assert {key: first[key] for key in ("rule", "severity", "stage", "resource", "fixable", "link")} == {
            "rule": "bad-thing",
            "severity": "error",
            "stage": "scraping",
            "resource": "job web",
            "fixable": True,
            "link": "docs/rules.md#bad-thing",
        }
        assert first["location"] == {"file": "some.yaml", "line": 10, "column": 7}
        assert first["path"] == "data.prometheus.yml.scrape_configs[0].scheme"
        assert first["fix"] == {"says": "use http", "yaml": "scrape_configs:\n- job_name: web\n  scheme: http"}
        assert data["unjudged"] == [
            {
                "message": "no workload is here",
                "location": {"file": "some.yaml", "line": 1, "column": 1},
                "hint": "give it",
            }
        ]

    def test_keeps_names_of_files_that_are_no_text(self):
        pod = documents_of(TEXT, "odd\udcff.yaml")[1]
        data = as_data(made_report(finding(pod, (), "x")))
        assert json.dumps(data, ensure_ascii=False).encode()
        assert data["findings"][0]["location"]["file"] == "odd\ufffd.yaml"

    def test_names_a_finding_alike_when_lines_and_items_come_before_it(self):
        path = ("spec", "volumes", 0, "secret")
        before = fingerprints([finding(config_and_pod()[1], path, "x")])
        more = TEXT.replace("  volumes:\n", "  # more\n  volumes:\n  - name: other\n")
        after = fingerprints([finding(config_and_pod(more)[1], ("spec", "volumes", 1, "secret"), "x")])
        assert before == after

    def test_names_every_finding_differently(self):
        pod = config_and_pod()[1]
        told = [finding(pod, (), "x"), finding(pod, (), "x"), finding(pod, (), "y"), finding(pod, (), "x", RISKY)]
        assert len(set(fingerprints(told))) == len(told)


def sarif_object(required: str = "", **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": required.split(),
        "properties": {key.replace("_", "$"): value for key, value in properties.items()},
    }


TEXTUAL = {"type": "string"}
NATURAL = {"type": "integer", "minimum": 1}
LEVEL = {"enum": ["none", "note", "warning", "error"]}
MESSAGE = sarif_object("text", text=TEXTUAL, markdown=TEXTUAL)
BAG = {"type": "object", "properties": {"tags": {"type": "array", "uniqueItems": True, "items": TEXTUAL}}}
PLACE = sarif_object(
    physicalLocation=sarif_object(
        artifactLocation=sarif_object(uri={"type": "string", "format": "uri-reference"}),
        region=sarif_object("startLine", startLine=NATURAL, startColumn=NATURAL),
    ),
    logicalLocations={"type": "array", "items": sarif_object(fullyQualifiedName=TEXTUAL, kind=TEXTUAL)},
)
PLACES_OF = {"type": "array", "items": PLACE}
#: The parts of the schema of SARIF 2.1.0 (OASIS, sarif-schema-2.1.0.json) that are used: what is required, no more.
SARIF = sarif_object(
    "version runs",
    _schema={"type": "string", "format": "uri"},
    version={"enum": ["2.1.0"]},
    runs={
        "type": "array",
        "items": sarif_object(
            "tool",
            tool=sarif_object(
                "driver",
                driver=sarif_object(
                    "name",
                    name=TEXTUAL,
                    version=TEXTUAL,
                    semanticVersion=TEXTUAL,
                    rules={
                        "type": "array",
                        "uniqueItems": True,
                        "items": sarif_object(
                            "id",
                            id=TEXTUAL,
                            shortDescription=MESSAGE,
                            fullDescription=MESSAGE,
                            help=MESSAGE,
                            defaultConfiguration=sarif_object(level=LEVEL),
                            properties=BAG,
                        ),
                    },
                ),
            ),
            invocations={
                "type": "array",
                "items": sarif_object(
                    "executionSuccessful",
                    executionSuccessful={"type": "boolean"},
                    toolExecutionNotifications={
                        "type": "array",
                        "items": sarif_object("message", message=MESSAGE, level=LEVEL, locations=PLACES_OF),
                    },
                ),
            },
            columnKind={"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
            results={
                "type": "array",
                "items": sarif_object(
                    "message",
                    ruleId=TEXTUAL,
                    ruleIndex={"type": "integer", "minimum": -1},
                    level=LEVEL,
                    message=MESSAGE,
                    locations=PLACES_OF,
                    partialFingerprints={"type": "object", "additionalProperties": TEXTUAL},
                    properties=BAG,
                ),
            },
        ),
    },
)


class TestSarif:
    def test_has_the_shape_of_its_schema(self):
        jsonschema_rs.validate(SARIF, json.loads(json.dumps(as_sarif(usual_report()))), validate_formats=True)

    def test_tells_place_level_and_repair(self):
        (run,) = as_sarif(usual_report())["runs"]
        first, second = run["results"]
        physical = first["locations"][0]["physicalLocation"]

        assert physical == {"artifactLocation": {"uri": "some.yaml"}, "region": {"startLine": 10, "startColumn": 7}}
        assert (first["level"], second["level"]) == ("error", "warning")
        assert first["message"]["text"] == "A thing is bad: job web is https. Fix: use http."
        assert "```yaml\nscrape_configs:" in first["message"]["markdown"]
        assert run["tool"]["driver"]["rules"][second["ruleIndex"]]["id"] == second["ruleId"]

    @pytest.mark.parametrize(
        ("name", "uri"),
        [
            ("a b/c:d.yaml", "a%20b/c%3Ad.yaml"),
            ("/tmp/x.yaml", "file:///tmp/x.yaml"),
            ("../x.yaml", "../x.yaml"),
            ("<stdin>", "stdin"),
            ("50%.yaml", "50%25.yaml"),
        ],
    )
    def test_names_files_by_uri(self, name, uri):
        report = made_report(finding(config_and_pod(source=name)[1], (), "x"))
        place = as_sarif(report)["runs"][0]["results"][0]["locations"][0]
        assert place["physicalLocation"]["artifactLocation"] == {"uri": uri}


class TestGithub:
    def test_gives_a_command_for_each_finding(self):
        error, warning, note = github_lines(usual_report())
        assert error == (
            "::error file=some.yaml,line=10,col=7,title=A thing is bad [bad-thing]::job web: job web is https"
            "%0ABecause of this, which takes more than a few words to tell. It `breaks`."
            "%0AFix: use http%0Ascrape_configs:%0A- job_name: web%0A  scheme: http"
        )
        assert warning.startswith(
            "::warning file=some.yaml,line=19,col=5,title=A thing is risky [risky-thing]::Pod two: "
        )
        assert "100%25 wrong" in warning
        assert note == (
            "::notice file=some.yaml,line=1,col=1,title=sidecert doctor can't judge this::no workload is here%0Agive it"
        )

    def test_escapes_what_parts_properties(self):
        rule = made_rule(title="Wrong: a, b % c")
        (line,) = github_lines(made_report(finding(config_and_pod(source="a,b:c.yaml")[1], (), "x", rule)))
        assert line.startswith("::error file=a%2Cb%3Ac.yaml,line=12,col=1,title=Wrong%3A a%2C b %25 c [bad-thing]::")


class TestJunit:
    @pytest.mark.parametrize(("fail_on", "failures"), [("error", 1), ("warning", 2), ("info", 2), ("never", 0)])
    def test_fails_cases_of_findings_that_are_as_bad_as_asked(self, fail_on, failures):
        root = ET.fromstring("\n".join(junit_lines(usual_report(), fail_on)).encode())

        assert root.attrib["failures"] == str(failures)
        assert len(root.findall(".//failure")) == failures
        assert len(root.findall(".//system-out")) == 2 - failures
        assert root.attrib["tests"] == str(len(root.findall(".//testcase"))) == "3"
        assert [case.get("message") for case in root.iter("skipped")] == ["no workload is here (give it)"]

    def test_has_a_suite_for_each_file_and_a_case_for_each_rule(self):
        config, pod = config_and_pod(source="a.yaml")[0], config_and_pod(source="b.yaml")[1]
        report = made_report(finding(config, (), "x"), finding(pod, (), "y", RISKY))
        root = ET.fromstring("\n".join(junit_lines(report, "error")))

        assert [suite.get("name") for suite in root] == ["a.yaml", "b.yaml"]
        for suite in root:
            assert [str(case.get("name")).partition(":")[0] for case in suite] == ["bad-thing", "risky-thing"]
        assert [case.get("line") for case in root.iter("testcase")] == ["1", None, None, "12"]

    def test_is_xml_whatever_files_hold(self):
        found = "\x00\x1b[31m <&>\"' ]]> \ud83d \ufffe\U0001f600"
        report = made_report(
            finding(config_and_pod(source='a&"\x07.yaml')[1], (), found, fix=Fix("<b>", yaml="\x01: &"))
        )
        text = "\n".join(junit_lines(report, "error"))
        failure = ET.fromstring(text.encode()).find(".//failure")
        assert failure is not None
        assert failure.get("message") == "??[31m <&>\"' ]]> ? ?\U0001f600"


@pytest.mark.parametrize("form", ["text", "short", "github", "junit", "json", "sarif"])
def test_no_form_lets_control_characters_through(form):
    evil = "a\x1b[2J\x07\x7f\x9b31m\u202e\r\nb"
    pod = config_and_pod(source=f"{evil}.yaml")[1]
    told = Finding(BAD, pod, (), evil, Fix(evil, yaml=evil), "error", evil)
    report = made_report(told, unjudged=(Problem(evil, Location(evil, 1, 1), hint=evil),))
    forms: dict[str, Callable[[], Iterable[str]]] = {
        "text": lambda: text_lines(report),
        "short": lambda: short_lines(report),
        "github": lambda: github_lines(report),
        "junit": lambda: junit_lines(report, "error"),
        "json": lambda: [json.dumps(as_data(report))],
        "sarif": lambda: [json.dumps(as_sarif(report))],
    }
    for line in "\n".join(forms[form]()).split("\n"):
        assert line.isprintable(), line


class TestWords:
    def test_plain_keeps_what_can_be_seen(self):
        assert plain("\u00e9\u540d \x1b[1m\t\n") == "\u00e9\u540d ?[1m ?"

    @pytest.mark.parametrize(
        ("number", "noun", "told"),
        [(1, "file", "1 file"), (2, "file", "2 files"), (2, "Prometheus", "2 Prometheuses"), (3, "entry", "3 entries")],
    )
    def test_counted_makes_plurals(self, number, noun, told):
        assert counted(number, noun) == told

    @pytest.mark.parametrize(
        ("text", "short"),
        [
            ("One thing.", "One thing."),
            ("Short. Then more of it. And a third.", "Short. Then more of it. And a third."),
            (f"{'long ' * 13}first. Second one. Third one.", f"{'long ' * 13}first. Second one."),
            (f"{'long ' * 13}first. {'S' * 200}.", f"{'long ' * 13}first."),
            ("Up to Istio 1.4 it is `a.b`.\nSince 1.6 not.\n\nMore.", "Up to Istio 1.4 it is `a.b`. Since 1.6 not."),
        ],
    )
    def test_first_sentences_are_enough_to_understand(self, text, short):
        assert first_sentences(text) == short

    def test_paragraphs_keep_items_apart(self):
        assert list(paragraphs("a\nb\n\n- c\n  d\n- e")) == ["a b", "- c\n  d", "- e"]
