"""Says what is wrong with a monitoring setup, in the order in which to fix it, and how.

rule       what a rule is, and what it finds
rules/     the rules, by stage
silence    comments that silence a rule
examining  all rules over a setup
report     what there is to tell; text, sarif, github and junit tell it
pages      a page for each rule: --explain and docs/rules.md
words      texts made safe to print, wrapped
"""

from generator.doctor.examining import Diagnosis, examine, examine_all
from generator.doctor.rule import RULES, SEVERITIES, Finding, Fix, Found, Rule

__all__ = ["RULES", "SEVERITIES", "Diagnosis", "Finding", "Fix", "Found", "Rule", "examine", "examine_all"]
