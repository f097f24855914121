-- What is late or odd, since when, and whether somebody was told.
CREATE TABLE shardlake.alarms (
    alarm_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    view        text NOT NULL,
    shard       text NOT NULL DEFAULT '',
    kind        text NOT NULL,
    message     text NOT NULL,
    since       timestamptz NOT NULL DEFAULT now(),
    ended_at    timestamptz,
    told_at     timestamptz,
    end_told_at timestamptz
);
CREATE UNIQUE INDEX ON shardlake.alarms (view, shard, kind) WHERE ended_at IS NULL;

-- Views are watched from when they were first seen: what is new is not late yet.
CREATE TABLE shardlake.watched (
    view        text PRIMARY KEY,
    since       timestamptz NOT NULL DEFAULT now()
);
