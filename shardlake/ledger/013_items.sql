-- What a source has that is read once each, such as files: known by its name and by a mark that changes with its content. A line with
-- `gone_at` is of one that is not there any more, or whose name has other content now.
CREATE TABLE shardlake.items (
    feed        text NOT NULL,
    partition   text NOT NULL,
    name        text COLLATE "C" NOT NULL,
    mark        text NOT NULL,
    bytes       bigint NOT NULL,
    window_id   bigint NOT NULL REFERENCES shardlake.windows ON DELETE CASCADE,
    read_at     timestamptz NOT NULL DEFAULT now(),
    gone_at     timestamptz,
    PRIMARY KEY (feed, partition, name, mark)
);
CREATE INDEX items_of_window ON shardlake.items (window_id);
