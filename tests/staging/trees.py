"""Values for the case files: full of what goes wrong elsewhere, and as empty as may be."""

from __future__ import annotations

from typing import Any

HOSTILE: dict[str, str] = {
    "action": "{{ .Release.Name }}",
    "arithmetic": "{{ 7*7 }}",
    "statement": "{% raw %}{{ x }}{% endraw %}",
    "quotes": 'it\'s "quoted" `three` ways',
    "dollar": "$Values ${POD_NAME} $$",
    "backslash": "a\\b \\n \\d+",
    "comment": "a # b",
    "colon": "a: b",
    "lines": "first\n  second\n\nlast\n",
    "spaces": "  two before, two behind  ",
    "umlaut": "ÄÖÜ 😀 \u2028",
    "dash": "- a",
    "anchor": "&a *a !t",
    "empty": "",
    "y": "no",
    "on": "12:30",
    "1": "0x1F",
    "null": "~",
    "1e3": "1_000",
    "date": "2026-11-21",
    "true": "true",
}

FULL: dict[str, Any] = {
    "name": "prometheus",
    "text": HOSTILE["lines"],
    "word": "NodePort",
    "answer": "no",
    "count": 1500000,
    "ratio": 0.25,
    "flag": True,
    "either": "25%",
    "maybe": "there",
    "map": HOSTILE,
    "more": {"y": "yes", "extra": "1"},
    "list": ["b", "a", *HOSTILE.values()],
    "numbers": [0, -1, 9007199254740991],
    "free": {
        "nested": {"y": [1, {"z": None}], "x": True, "big": 9007199254740991, "small": 0.5},
        "text": HOSTILE,
        "empty": {"map": {}, "list": [], "text": ""},
        "no": {"on": False},
    },
    "tree": [{"a": 1, "b": [1, [2, 3]]}, "no", "first\nsecond\n"],
    "jobs": {
        "a": {"targets": ["x", "y"], "labels": HOSTILE, "path": "/metrics", "tls": True},
        "b": {"targets": [], "tls": False},
        "no": {"targets": ["{{ x }}"], "path": ""},
    },
    "version": "1.30",
    "duration": "90s",
    "a b": {"c-d": "odd"},
}

EMPTY: dict[str, Any] = {
    "name": "a",
    "text": "",
    "word": "ClusterIP",
    "count": 0,
    "ratio": 2,
    "flag": False,
    "either": 0,
    "map": {},
    "list": [],
    "numbers": [],
    "free": {},
    "tree": {},
    "jobs": {},
    "version": "1.9",
    "duration": "0s",
    "a b": {"c-d": ""},
}

OTHER: dict[str, Any] = {
    **FULL,
    "text": "no",
    "either": 7,
    "flag": False,
    "count": -5,
    "ratio": 1e21,
    "version": "2.0",
    "duration": "2m",
}

TREES = {"full": FULL, "empty": EMPTY, "other": OTHER}
