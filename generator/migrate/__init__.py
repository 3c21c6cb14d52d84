"""Makes doctor's fixes in the files that they are about; every other byte stays.

sources    the files that a user names, as texts; folders, but nothing that Helm has to render
kustomizations   those in a folder, and what files they are made of
tracing    fixes of what a kustomization builds, as fixes of its files
applying   the edits of one fix, made in texts
parts      a text taken apart at its document markers
comments   comments that say why a value is there, or go along with one
moving     values that a fix moves, so that they keep their place or their comments
indenting  keys that a fix takes into the empty one above them, with their lines
choosing   which fixes can be made together
rounds     fix after fix until doctor has no more: what was made, and what is left
diffing    what changed, as a unified diff; where a line of the result stands in the file as it is
writing    replaces files, all of them or none
"""

from generator.migrate.rounds import Made, Migration, Refused, migrate
from generator.migrate.sources import Source, Sources, open_sources, text_source

__all__ = ["Made", "Migration", "Refused", "Source", "Sources", "migrate", "open_sources", "text_source"]
