"""Says what is wrong with a monitoring setup, in the order in which to fix it, and how.

rule       what a rule is, and what it finds
rules/     the rules, by stage
silence    comments that silence a rule
examining  all rules over a setup
report     findings as text, JSON, SARIF, annotations for GitHub, JUnit
pages      --explain and docs/rules.md
"""

from generator.doctor.examining import Diagnosis, examine
from generator.doctor.rule import RULES, SEVERITIES, Finding, Fix, Found, Rule

__all__ = ["RULES", "SEVERITIES", "Diagnosis", "Finding", "Fix", "Found", "Rule", "examine"]
