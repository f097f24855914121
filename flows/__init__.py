"""The order of the stages: one flow a file, one screen each."""

from flows.outage import keep_slots
from shardlake.quiet import hush_at_exit

hush_at_exit()
keep_slots()
