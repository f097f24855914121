"""The order of the stages: one flow a file, one screen each."""

from shardlake.quiet import hush_at_exit

hush_at_exit()
