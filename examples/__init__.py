"""Work that is no view, to copy from. Nothing imports it: a deployment of prefect.yaml names its flow."""

from shardlake.quiet import hush_at_exit

hush_at_exit()
