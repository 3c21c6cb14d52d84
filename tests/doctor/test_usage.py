"""What ``doctor`` and its neighbours say of options that can't be."""

from __future__ import annotations

import pytest

from generator.cli import run


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["doctor", "--explain", "legacy-secret", "pod.yaml"], "--explain takes no files"),
        (["doctor", "--select", "legacy-secret", "--ignore", "legacy-*", "-"], "--select and --ignore leave no rule"),
        (["doctor", "--istio-version", "1.4", "-"], "expected a release of Istio from 1.5 on, such as 1.30 or 1.30.3"),
        (["doctor", "--kubernetes-version", "x", "-"], "expected a release of Kubernetes from 1.16 on, such as 1.33"),
        (["doctor", "--chart-version", "x", "-"], "expected a chart's version, such as 80 or 80.2.0"),
        (["adopt", "--name", "UP/..", "-"], "can't be a folder's name here: a-z, 0-9, '-' and '.' between them"),
    ],
)
def test_an_option_that_cant_be_is_refused_in_words(arguments, words, capsys):
    assert run(arguments) == 2
    assert words in " ".join(capsys.readouterr().err.split())
