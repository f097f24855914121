-- A warehouse that the code of commit 6366eee wrote (migrations 001 to 007): see make_present_ledger.py.

CREATE SCHEMA analytics;

CREATE SCHEMA shardlake;

CREATE SCHEMA shardlake_staging;

CREATE FUNCTION shardlake.cast_error(value text, target text) RETURNS text
    LANGUAGE plpgsql STABLE
    AS $_$
DECLARE
    base text := regexp_replace(target, '[([].*', '');
    holds boolean;
BEGIN
    IF value IS NULL THEN
        RETURN NULL;
    END IF;
    IF base IN ('timestamp', 'timestamptz', 'date', 'time', 'interval') THEN
        IF value ~* '^\s*(now|today|tomorrow|yesterday|epoch|allballs)' OR value !~ '[0-9]' AND value !~* 'infinity' THEN
            RETURN 'is not ' || target;
        END IF;
        IF value ~ '\.\d{6}\d*[1-9]' THEN
            RETURN 'has more digits than the microseconds of ' || target;
        END IF;
        IF base IN ('timestamp', 'date', 'time') AND value ~* '[0-9](z|\s*[+-]\d\d(:?\d\d)?|\s+(?!bc$)[a-z].*)$' AND value ~ ':' THEN
            RETURN 'has a time zone that ' || target || ' would drop; declare timestamptz';
        END IF;
        IF base = 'time' AND value ~ '-.*:' THEN
            RETURN 'has more than a time of day';
        END IF;
    END IF;
    IF target LIKE '%[]' THEN
        -- element by element, so that one that would be rounded shows
        IF base IN ('numeric', 'real', 'double precision') THEN
            EXECUTE format('SELECT NOT EXISTS (SELECT FROM unnest(shardlake.text_array($1)) e(item)'
                ' WHERE shardlake.cast_error(item, %L) LIKE ''would be rounded%%'')', replace(target, '[]', '')) USING value INTO holds;
        END IF;
        EXECUTE format('SELECT shardlake.text_array($1)::%s IS NULL', target) USING value;
        RETURN CASE WHEN holds IS FALSE THEN 'would be rounded to fit ' || target END;
    END IF;
    IF base = 'varchar' THEN
        EXECUTE format('SELECT $1::%s = $1::varchar', target) USING value INTO holds;
        RETURN CASE WHEN holds THEN NULL ELSE 'is longer than ' || target END;
    END IF;
    IF base = 'numeric' THEN
        EXECUTE format('SELECT $1::numeric = $1::%s', target) USING value INTO holds;
        RETURN CASE WHEN holds THEN NULL ELSE 'would be rounded to fit ' || target END;
    END IF;
    IF base = 'date' THEN
        RETURN CASE WHEN value::timestamp = value::date THEN NULL ELSE 'has a time of day that date would cut' END;
    END IF;
    -- a fraction in decimal digits is seldom a binary one: a double takes the nearest where 17 digits are all there are
    -- (no double needs more), a real where it prints as the same number or is the same double
    IF base = 'double precision' AND (value ~ '^\s*[+-]?\d+\s*$' OR length(ltrim(regexp_replace(value, '[eE].*|\D', '', 'g'), '0')) > 17) THEN
        holds := value::double precision::text::numeric = value::numeric;
        RETURN CASE WHEN holds THEN NULL ELSE 'would be rounded to fit ' || target END;
    END IF;
    IF base = 'real' AND value ~ '\d' THEN
        holds := value::real::text::numeric = value::numeric OR (value::real::double precision = value::double precision AND value ~ '[.eE]');
        RETURN CASE WHEN holds THEN NULL ELSE 'would be rounded to fit ' || target END;
    END IF;
    EXECUTE format('SELECT $1::%s IS NULL', target) USING value INTO holds;
    RETURN NULL;
EXCEPTION
    WHEN data_exception OR invalid_text_representation OR numeric_value_out_of_range OR program_limit_exceeded
        OR statement_too_complex OR character_not_in_repertoire OR untranslatable_character OR feature_not_supported THEN
        RETURN 'is not ' || target;
END
$_$;

CREATE FUNCTION shardlake.text_array(value text) RETURNS text[]
    LANGUAGE sql IMMUTABLE
    AS $$
    SELECT CASE WHEN ltrim(value) LIKE '[%'
        THEN ARRAY(SELECT e.item FROM jsonb_array_elements_text(value::jsonb) WITH ORDINALITY e(item, place) ORDER BY e.place)
        ELSE value::text[] END
$$;

CREATE TABLE analytics.counted (
    id bigint NOT NULL,
    label text,
    _shard text,
    _cursor bigint
);

CREATE TABLE analytics.opened (
    id bigint NOT NULL,
    at timestamp without time zone,
    _shard text
);

CREATE TABLE analytics.orders (
    id bigint NOT NULL,
    status text,
    amount numeric(12,2),
    updated_at timestamp without time zone,
    age smallint,
    customer_name text,
    items jsonb,
    _shard text
);

CREATE TABLE analytics.people (
    id bigint NOT NULL,
    title text,
    updated_at timestamp without time zone,
    _shard text
);

CREATE TABLE analytics.replaced (
    code text NOT NULL,
    title text,
    _shard text NOT NULL
);

CREATE TABLE analytics.scans (
    id bigint NOT NULL,
    kind text,
    at timestamp without time zone,
    _shard text
);

CREATE TABLE shardlake.alarms (
    alarm_id bigint NOT NULL,
    view text NOT NULL,
    shard text DEFAULT ''::text NOT NULL,
    kind text NOT NULL,
    message text NOT NULL,
    since timestamp with time zone DEFAULT now() NOT NULL,
    ended_at timestamp with time zone,
    told_at timestamp with time zone,
    end_told_at timestamp with time zone
);

ALTER TABLE shardlake.alarms ALTER COLUMN alarm_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME shardlake.alarms_alarm_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE shardlake.backfill_slices (
    backfill_id uuid NOT NULL,
    slice integer NOT NULL,
    shard text NOT NULL,
    lower_bound text NOT NULL,
    upper_bound text NOT NULL,
    state text DEFAULT 'waiting'::text NOT NULL,
    error text,
    ended_at timestamp with time zone,
    CONSTRAINT backfill_slices_state_check CHECK ((state = ANY (ARRAY['waiting'::text, 'done'::text, 'failed'::text])))
);

CREATE TABLE shardlake.backfills (
    backfill_id uuid NOT NULL,
    view text NOT NULL,
    kind text NOT NULL,
    lower_bound text NOT NULL,
    upper_bound text NOT NULL,
    step text NOT NULL,
    shards text[] NOT NULL,
    state text DEFAULT 'running'::text NOT NULL,
    message text,
    started_at timestamp with time zone DEFAULT now() NOT NULL,
    ended_at timestamp with time zone,
    CONSTRAINT backfills_state_check CHECK ((state = ANY (ARRAY['running'::text, 'completed'::text, 'failed'::text, 'given up'::text])))
);

CREATE TABLE shardlake.contracts (
    view text NOT NULL,
    columns jsonb NOT NULL,
    seen_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE shardlake.files (
    window_id bigint NOT NULL,
    key text NOT NULL,
    rows bigint NOT NULL,
    bytes bigint NOT NULL
);

CREATE TABLE shardlake.lake_commits (
    commit_id bigint NOT NULL,
    run_id uuid NOT NULL,
    view text NOT NULL,
    layout text NOT NULL,
    status text DEFAULT 'open'::text NOT NULL,
    opened_at timestamp with time zone DEFAULT now() NOT NULL,
    published_at timestamp with time zone,
    view_rows bigint,
    written bigint,
    skipped bigint,
    rejected bigint,
    seconds double precision,
    columns jsonb,
    CONSTRAINT lake_commits_check CHECK (((status <> 'published'::text) OR (view_rows = ((written + skipped) + rejected)))),
    CONSTRAINT lake_commits_status_check CHECK ((status = ANY (ARRAY['open'::text, 'published'::text])))
);

ALTER TABLE shardlake.lake_commits ALTER COLUMN commit_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME shardlake.lake_commits_commit_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE shardlake.lake_files (
    key text NOT NULL,
    commit_id bigint NOT NULL,
    view text NOT NULL,
    layout text NOT NULL,
    partition jsonb NOT NULL,
    rows bigint NOT NULL,
    bytes bigint NOT NULL,
    replaced_by bigint,
    replaced_at timestamp with time zone
);

CREATE TABLE shardlake.lake_tables (
    database text NOT NULL,
    name text NOT NULL,
    view text NOT NULL,
    layout text NOT NULL,
    definition jsonb NOT NULL,
    changed_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE shardlake.lake_windows (
    view text NOT NULL,
    layout text NOT NULL,
    window_id bigint NOT NULL,
    commit_id bigint NOT NULL
);

CREATE TABLE shardlake.migrations (
    version integer NOT NULL,
    name text NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE shardlake.rejects (
    reject_id bigint NOT NULL,
    window_id bigint NOT NULL,
    view text NOT NULL,
    shard text NOT NULL,
    stage text NOT NULL,
    row_key jsonb NOT NULL,
    column_name text NOT NULL,
    value text,
    reason text NOT NULL,
    seen_at timestamp with time zone DEFAULT now() NOT NULL,
    layout text,
    commit_id bigint,
    read_again_at timestamp with time zone,
    CONSTRAINT rejects_stage_check CHECK ((stage = ANY (ARRAY['shape'::text, 'merge'::text, 'lake'::text])))
);

ALTER TABLE shardlake.rejects ALTER COLUMN reject_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME shardlake.rejects_reject_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE shardlake.run_shards (
    run_id uuid NOT NULL,
    view text NOT NULL,
    shard text NOT NULL,
    state text NOT NULL,
    report jsonb NOT NULL,
    error text,
    ended_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT run_shards_state_check CHECK ((state = ANY (ARRAY['merged'::text, 'nothing'::text, 'failed'::text])))
);

CREATE TABLE shardlake.runs (
    run_id uuid NOT NULL,
    view text NOT NULL,
    started_at timestamp with time zone DEFAULT now() NOT NULL,
    ended_at timestamp with time zone,
    state text DEFAULT 'running'::text NOT NULL,
    message text,
    CONSTRAINT runs_state_check CHECK ((state = ANY (ARRAY['running'::text, 'completed'::text, 'failed'::text])))
);

CREATE TABLE shardlake.tombstones (
    view text NOT NULL,
    unit_key jsonb NOT NULL,
    version numeric NOT NULL,
    shard text NOT NULL
);

CREATE TABLE shardlake.watched (
    view text NOT NULL,
    since timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE shardlake.watermarks (
    view text NOT NULL,
    shard text NOT NULL,
    kind text NOT NULL,
    cursor_value text,
    upper_bound text,
    scan_order text NOT NULL,
    after_position jsonb,
    lower_bound text,
    moved_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT watermarks_check CHECK (((cursor_value IS NULL) <> (after_position IS NULL)))
);

CREATE TABLE shardlake.windows (
    window_id bigint NOT NULL,
    run_id uuid NOT NULL,
    view text NOT NULL,
    shard text NOT NULL,
    status text NOT NULL,
    kind text,
    lower_bound text,
    upper_bound text,
    scan_order text NOT NULL,
    after_position jsonb,
    until_position jsonb,
    load_date date DEFAULT ((now() AT TIME ZONE 'UTC'::text))::date NOT NULL,
    opened_at timestamp with time zone DEFAULT now() NOT NULL,
    merged_at timestamp with time zone,
    raw_rows bigint,
    raw_bytes bigint,
    shaped bigint,
    shape_rejected bigint,
    view_rows bigint,
    merged bigint,
    unchanged bigint,
    superseded bigint,
    rejected bigint,
    removed bigint,
    seconds jsonb DEFAULT '{}'::jsonb NOT NULL,
    raw_removed_at timestamp with time zone,
    backfill_id uuid,
    slice integer,
    CONSTRAINT windows_check CHECK (((status <> 'merged'::text) OR (raw_rows = (shaped + shape_rejected)))),
    CONSTRAINT windows_check1 CHECK (((status <> 'merged'::text) OR (view_rows = (((merged + unchanged) + superseded) + rejected)))),
    CONSTRAINT windows_check2 CHECK (((backfill_id IS NULL) = (slice IS NULL))),
    CONSTRAINT windows_status_check CHECK ((status = ANY (ARRAY['open'::text, 'extracted'::text, 'merged'::text, 'abandoned'::text])))
);

ALTER TABLE shardlake.windows ALTER COLUMN window_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME shardlake.windows_window_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

INSERT INTO analytics.counted VALUES (104, 'one', 'shop_01', 28);
INSERT INTO analytics.counted VALUES (105, 'one', 'shop_01', 35);
INSERT INTO analytics.counted VALUES (106, 'one', 'shop_01', 42);
INSERT INTO analytics.counted VALUES (107, 'one', 'shop_01', 49);
INSERT INTO analytics.counted VALUES (108, 'one', 'shop_01', 56);
INSERT INTO analytics.counted VALUES (4, 'one', 'shop_00', 40);
INSERT INTO analytics.counted VALUES (5, 'one', 'shop_00', 50);
INSERT INTO analytics.counted VALUES (6, 'one', 'shop_00', 60);
INSERT INTO analytics.counted VALUES (7, 'one', 'shop_00', 70);
INSERT INTO analytics.counted VALUES (8, 'one', 'shop_00', 80);
INSERT INTO analytics.counted VALUES (1, 'two', 'shop_00', 1010);
INSERT INTO analytics.counted VALUES (2, 'two', 'shop_00', 1020);
INSERT INTO analytics.counted VALUES (3, 'two', 'shop_00', 1030);
INSERT INTO analytics.counted VALUES (101, 'two', 'shop_01', 1007);
INSERT INTO analytics.counted VALUES (102, 'two', 'shop_01', 1014);
INSERT INTO analytics.counted VALUES (103, 'two', 'shop_01', 1021);

INSERT INTO analytics.opened VALUES (101, '2026-01-04 00:00:00', 'shop_01');
INSERT INTO analytics.opened VALUES (102, '2026-01-04 00:00:00', 'shop_01');
INSERT INTO analytics.opened VALUES (103, '2026-01-04 00:00:00', 'shop_01');
INSERT INTO analytics.opened VALUES (104, '2026-01-04 00:00:00', 'shop_01');
INSERT INTO analytics.opened VALUES (105, '2026-01-04 00:00:00', 'shop_01');

INSERT INTO analytics.orders VALUES (1, 'new', 1.25, '2026-01-02 09:00:00', 21, 'Ada 1', '[{"sku": "s1"}]', 'shop_00');
INSERT INTO analytics.orders VALUES (4, 'new', 5.00, '2026-01-05 09:00:00', 24, 'Ada 4', '[{"sku": "s4"}]', 'shop_00');
INSERT INTO analytics.orders VALUES (7, 'new', 8.75, '2026-01-02 09:00:00', 27, 'Ada 7', '[{"sku": "s7"}]', 'shop_00');
INSERT INTO analytics.orders VALUES (8, 'new', 10.00, '2026-01-03 09:00:00', 28, 'Ada 8', '[{"sku": "s8"}]', 'shop_00');
INSERT INTO analytics.orders VALUES (9, 'new', 11.25, '2026-01-04 09:00:00', 29, 'Ada 9', '[{"sku": "s9"}]', 'shop_00');
INSERT INTO analytics.orders VALUES (10, 'new', 12.50, '2026-01-05 09:00:00', 30, 'Ada 10', '[{"sku": "s10"}]', 'shop_00');
INSERT INTO analytics.orders VALUES (11, 'new', 13.75, '2026-01-06 09:00:00', 31, 'Ada 11', '[{"sku": "s11"}]', 'shop_00');
INSERT INTO analytics.orders VALUES (12, 'new', 15.00, '2026-01-01 09:00:00', 32, 'Ada 12', '[{"sku": "s12"}]', 'shop_00');
INSERT INTO analytics.orders VALUES (101, 'new', 1.25, '2026-01-02 09:00:00', 21, 'Ada 1', '[{"sku": "s1"}]', 'shop_01');
INSERT INTO analytics.orders VALUES (104, '', 5.00, '2026-01-05 09:00:00', 24, 'Ada 4', '[{"sku": "s4"}]', 'shop_01');
INSERT INTO analytics.orders VALUES (107, 'new', 8.75, '2026-01-02 09:00:00', 27, 'Ada 7', '[{"sku": "s7"}]', 'shop_01');
INSERT INTO analytics.orders VALUES (108, 'new', 10.00, '2026-01-03 09:00:00', 28, 'Ada 8', '[{"sku": "s8"}]', 'shop_01');
INSERT INTO analytics.orders VALUES (109, 'new', 11.25, '2026-01-04 09:00:00', 29, 'Ada 9', '[{"sku": "s9"}]', 'shop_01');
INSERT INTO analytics.orders VALUES (110, 'new', 12.50, '2026-01-05 09:00:00', 30, 'Ada 10', '[{"sku": "s10"}]', 'shop_01');
INSERT INTO analytics.orders VALUES (111, 'new', 13.75, '2026-01-06 09:00:00', 31, 'Ada 11', '[{"sku": "s11"}]', 'shop_01');
INSERT INTO analytics.orders VALUES (112, 'new', 15.00, '2026-01-01 09:00:00', 32, 'Ada 12', '[{"sku": "s12"}]', 'shop_01');
INSERT INTO analytics.orders VALUES (2, 'new', 2.50, '2026-11-27 02:51:39.245024', 7, NULL, NULL, 'shop_00');
INSERT INTO analytics.orders VALUES (5, 'paid', 6.25, '2026-11-27 02:51:39.305881', 25, 'Ada 5', '[{"sku": "s5"}]', 'shop_00');
INSERT INTO analytics.orders VALUES (6, 'paid', 7.50, '2026-11-27 02:51:39.305881', 26, 'Ada 6', '[{"sku": "s6"}]', 'shop_00');
INSERT INTO analytics.orders VALUES (13, 'new', 1.00, '2026-11-27 02:51:39.3578', NULL, NULL, NULL, 'shop_00');
INSERT INTO analytics.orders VALUES (102, 'new', 2.50, '2026-11-27 02:51:39.276461', 8, NULL, NULL, 'shop_01');
INSERT INTO analytics.orders VALUES (105, 'paid', 6.25, '2026-11-27 02:51:39.332324', 25, 'Ada 5', '[{"sku": "s5"}]', 'shop_01');
INSERT INTO analytics.orders VALUES (106, 'paid', 7.50, '2026-11-27 02:51:39.332324', 26, 'Ada 6', '[{"sku": "s6"}]', 'shop_01');

INSERT INTO analytics.people VALUES (1, 'Person 1', '2026-01-03 00:00:00', 'shop_00');
INSERT INTO analytics.people VALUES (3, 'Person 3', '2026-01-03 00:00:00', 'shop_00');
INSERT INTO analytics.people VALUES (5, 'Person 5', '2026-01-03 00:00:00', 'shop_00');
INSERT INTO analytics.people VALUES (6, 'Person 6', '2026-01-03 00:00:00', 'shop_00');
INSERT INTO analytics.people VALUES (101, 'Person 1', '2026-01-03 00:00:00', 'shop_01');
INSERT INTO analytics.people VALUES (102, 'Person 2', '2026-01-03 00:00:00', 'shop_01');
INSERT INTO analytics.people VALUES (104, 'Person 4', '2026-01-03 00:00:00', 'shop_01');
INSERT INTO analytics.people VALUES (105, 'Person 5', '2026-01-03 00:00:00', 'shop_01');
INSERT INTO analytics.people VALUES (106, 'Person 6', '2026-01-03 00:00:00', 'shop_01');

INSERT INTO analytics.replaced VALUES ('no', 'Norway', 'shop_00');
INSERT INTO analytics.replaced VALUES ('se', 'Sweden', 'shop_00');
INSERT INTO analytics.replaced VALUES ('dk', 'Denmark', 'shop_01');
INSERT INTO analytics.replaced VALUES ('fi', 'Finland', 'shop_01');

INSERT INTO analytics.scans VALUES (1101, 'seen', '2026-01-02 00:01:41', 'shop_01');
INSERT INTO analytics.scans VALUES (1102, 'seen', '2026-01-02 00:01:42', 'shop_01');
INSERT INTO analytics.scans VALUES (1103, 'seen', '2026-01-02 00:01:43', 'shop_01');
INSERT INTO analytics.scans VALUES (1104, 'seen', '2026-01-02 00:01:44', 'shop_01');
INSERT INTO analytics.scans VALUES (1105, 'seen', '2026-01-02 00:01:45', 'shop_01');
INSERT INTO analytics.scans VALUES (1106, 'seen', '2026-01-02 00:01:46', 'shop_01');
INSERT INTO analytics.scans VALUES (1107, 'seen', '2026-01-02 00:01:47', 'shop_01');
INSERT INTO analytics.scans VALUES (1108, 'seen', '2026-01-02 00:01:48', 'shop_01');
INSERT INTO analytics.scans VALUES (1109, 'seen', '2026-01-02 00:01:49', 'shop_01');
INSERT INTO analytics.scans VALUES (1110, 'seen', '2026-01-02 00:01:50', 'shop_01');
INSERT INTO analytics.scans VALUES (1111, 'seen', '2026-01-02 00:01:51', 'shop_01');
INSERT INTO analytics.scans VALUES (1112, 'seen', '2026-01-02 00:01:52', 'shop_01');
INSERT INTO analytics.scans VALUES (1113, 'seen', '2026-01-02 00:01:53', 'shop_01');
INSERT INTO analytics.scans VALUES (1114, 'seen', '2026-01-02 00:01:54', 'shop_01');
INSERT INTO analytics.scans VALUES (1115, 'seen', '2026-01-02 00:01:55', 'shop_01');
INSERT INTO analytics.scans VALUES (1116, 'seen', '2026-01-02 00:01:56', 'shop_01');
INSERT INTO analytics.scans VALUES (1117, 'seen', '2026-01-02 00:01:57', 'shop_01');
INSERT INTO analytics.scans VALUES (1118, 'seen', '2026-01-02 00:01:58', 'shop_01');
INSERT INTO analytics.scans VALUES (1119, 'seen', '2026-01-02 00:01:59', 'shop_01');
INSERT INTO analytics.scans VALUES (1120, 'seen', '2026-01-02 00:02:00', 'shop_01');
INSERT INTO analytics.scans VALUES (1121, 'seen', '2026-01-02 00:02:01', 'shop_01');
INSERT INTO analytics.scans VALUES (1122, 'seen', '2026-01-02 00:02:02', 'shop_01');
INSERT INTO analytics.scans VALUES (1123, 'seen', '2026-01-02 00:02:03', 'shop_01');
INSERT INTO analytics.scans VALUES (1124, 'seen', '2026-01-02 00:02:04', 'shop_01');
INSERT INTO analytics.scans VALUES (1125, 'seen', '2026-01-02 00:02:05', 'shop_01');
INSERT INTO analytics.scans VALUES (1126, 'seen', '2026-01-02 00:02:06', 'shop_01');
INSERT INTO analytics.scans VALUES (1127, 'seen', '2026-01-02 00:02:07', 'shop_01');
INSERT INTO analytics.scans VALUES (1128, 'seen', '2026-01-02 00:02:08', 'shop_01');
INSERT INTO analytics.scans VALUES (1129, 'seen', '2026-01-02 00:02:09', 'shop_01');
INSERT INTO analytics.scans VALUES (1130, 'seen', '2026-01-02 00:02:10', 'shop_01');
INSERT INTO analytics.scans VALUES (1001, 'seen again', '2026-11-27 02:51:42.855299', 'shop_01');
INSERT INTO analytics.scans VALUES (1002, 'seen again', '2026-11-27 02:51:42.855299', 'shop_01');
INSERT INTO analytics.scans VALUES (1003, 'seen again', '2026-11-27 02:51:42.855299', 'shop_01');
INSERT INTO analytics.scans VALUES (1004, 'seen again', '2026-11-27 02:51:42.855299', 'shop_01');
INSERT INTO analytics.scans VALUES (1005, 'seen again', '2026-11-27 02:51:42.855299', 'shop_01');
INSERT INTO analytics.scans VALUES (1006, 'seen again', '2026-11-27 02:51:42.855299', 'shop_01');
INSERT INTO analytics.scans VALUES (1007, 'seen again', '2026-11-27 02:51:42.855299', 'shop_01');
INSERT INTO analytics.scans VALUES (1008, 'seen again', '2026-11-27 02:51:42.855299', 'shop_01');
INSERT INTO analytics.scans VALUES (1009, 'seen again', '2026-11-27 02:51:42.855299', 'shop_01');
INSERT INTO analytics.scans VALUES (1010, 'seen again', '2026-11-27 02:51:42.855299', 'shop_01');
INSERT INTO analytics.scans VALUES (1011, 'seen again', '2026-11-27 02:51:42.855299', 'shop_01');
INSERT INTO analytics.scans VALUES (1012, 'seen again', '2026-11-27 02:51:42.855299', 'shop_01');
INSERT INTO analytics.scans VALUES (1013, 'seen again', '2026-11-27 02:51:42.855299', 'shop_01');
INSERT INTO analytics.scans VALUES (1014, 'seen again', '2026-11-27 02:51:42.855299', 'shop_01');
INSERT INTO analytics.scans VALUES (1015, 'seen again', '2026-11-27 02:51:42.855299', 'shop_01');
INSERT INTO analytics.scans VALUES (1016, 'seen again', '2026-11-27 02:51:42.855299', 'shop_01');
INSERT INTO analytics.scans VALUES (1017, 'seen again', '2026-11-27 02:51:42.855299', 'shop_01');
INSERT INTO analytics.scans VALUES (1018, 'seen again', '2026-11-27 02:51:42.855299', 'shop_01');
INSERT INTO analytics.scans VALUES (1019, 'seen again', '2026-11-27 02:51:42.855299', 'shop_01');
INSERT INTO analytics.scans VALUES (1020, 'seen again', '2026-11-27 02:51:42.855299', 'shop_01');
INSERT INTO analytics.scans VALUES (1021, 'seen again', '2026-11-27 02:51:42.855299', 'shop_01');
INSERT INTO analytics.scans VALUES (1022, 'seen again', '2026-11-27 02:51:42.855299', 'shop_01');
INSERT INTO analytics.scans VALUES (1023, 'seen again', '2026-11-27 02:51:42.855299', 'shop_01');
INSERT INTO analytics.scans VALUES (1024, 'seen again', '2026-11-27 02:51:42.855299', 'shop_01');
INSERT INTO analytics.scans VALUES (1025, 'seen again', '2026-11-27 02:51:42.855299', 'shop_01');
INSERT INTO analytics.scans VALUES (1026, 'seen again', '2026-11-27 02:51:42.855299', 'shop_01');
INSERT INTO analytics.scans VALUES (1027, 'seen again', '2026-11-27 02:51:42.855299', 'shop_01');
INSERT INTO analytics.scans VALUES (1028, 'seen again', '2026-11-27 02:51:42.855299', 'shop_01');
INSERT INTO analytics.scans VALUES (1029, 'seen again', '2026-11-27 02:51:42.855299', 'shop_01');
INSERT INTO analytics.scans VALUES (1030, 'seen again', '2026-11-27 02:51:42.855299', 'shop_01');
INSERT INTO analytics.scans VALUES (1031, 'seen again', '2026-11-27 02:51:42.855299', 'shop_01');
INSERT INTO analytics.scans VALUES (1032, 'seen again', '2026-11-27 02:51:42.855299', 'shop_01');
INSERT INTO analytics.scans VALUES (1033, 'seen again', '2026-11-27 02:51:42.855299', 'shop_01');
INSERT INTO analytics.scans VALUES (1034, 'seen again', '2026-11-27 02:51:42.855299', 'shop_01');
INSERT INTO analytics.scans VALUES (1035, 'seen again', '2026-11-27 02:51:42.855299', 'shop_01');
INSERT INTO analytics.scans VALUES (1036, 'seen again', '2026-11-27 02:51:42.855299', 'shop_01');
INSERT INTO analytics.scans VALUES (1037, 'seen again', '2026-11-27 02:51:42.855299', 'shop_01');
INSERT INTO analytics.scans VALUES (1038, 'seen again', '2026-11-27 02:51:42.855299', 'shop_01');
INSERT INTO analytics.scans VALUES (1039, 'seen again', '2026-11-27 02:51:42.855299', 'shop_01');
INSERT INTO analytics.scans VALUES (1040, 'seen again', '2026-11-27 02:51:42.855299', 'shop_01');
INSERT INTO analytics.scans VALUES (1041, 'seen again', '2026-11-27 02:51:42.855299', 'shop_01');
INSERT INTO analytics.scans VALUES (1042, 'seen again', '2026-11-27 02:51:42.855299', 'shop_01');
INSERT INTO analytics.scans VALUES (1043, 'seen again', '2026-11-27 02:51:42.855299', 'shop_01');
INSERT INTO analytics.scans VALUES (1044, 'seen again', '2026-11-27 02:51:42.855299', 'shop_01');
INSERT INTO analytics.scans VALUES (1045, 'seen again', '2026-11-27 02:51:42.855299', 'shop_01');
INSERT INTO analytics.scans VALUES (1046, 'seen again', '2026-11-27 02:51:42.855299', 'shop_01');
INSERT INTO analytics.scans VALUES (1047, 'seen again', '2026-11-27 02:51:42.855299', 'shop_01');
INSERT INTO analytics.scans VALUES (1048, 'seen again', '2026-11-27 02:51:42.855299', 'shop_01');
INSERT INTO analytics.scans VALUES (1049, 'seen again', '2026-11-27 02:51:42.855299', 'shop_01');
INSERT INTO analytics.scans VALUES (1050, 'seen again', '2026-11-27 02:51:42.855299', 'shop_01');
INSERT INTO analytics.scans VALUES (1051, 'seen again', '2026-11-27 02:51:42.855299', 'shop_01');
INSERT INTO analytics.scans VALUES (1052, 'seen again', '2026-11-27 02:51:42.855299', 'shop_01');
INSERT INTO analytics.scans VALUES (1053, 'seen again', '2026-11-27 02:51:42.855299', 'shop_01');
INSERT INTO analytics.scans VALUES (1054, 'seen again', '2026-11-27 02:51:42.855299', 'shop_01');
INSERT INTO analytics.scans VALUES (1055, 'seen again', '2026-11-27 02:51:42.855299', 'shop_01');
INSERT INTO analytics.scans VALUES (1056, 'seen again', '2026-11-27 02:51:42.855299', 'shop_01');
INSERT INTO analytics.scans VALUES (1057, 'seen again', '2026-11-27 02:51:42.855299', 'shop_01');
INSERT INTO analytics.scans VALUES (1058, 'seen again', '2026-11-27 02:51:42.855299', 'shop_01');
INSERT INTO analytics.scans VALUES (1059, 'seen again', '2026-11-27 02:51:42.855299', 'shop_01');
INSERT INTO analytics.scans VALUES (1060, 'seen again', '2026-11-27 02:51:42.855299', 'shop_01');
INSERT INTO analytics.scans VALUES (1061, 'seen again', '2026-11-27 02:51:42.855299', 'shop_01');
INSERT INTO analytics.scans VALUES (1062, 'seen again', '2026-11-27 02:51:42.855299', 'shop_01');
INSERT INTO analytics.scans VALUES (1063, 'seen again', '2026-11-27 02:51:42.855299', 'shop_01');
INSERT INTO analytics.scans VALUES (1064, 'seen again', '2026-11-27 02:51:42.855299', 'shop_01');
INSERT INTO analytics.scans VALUES (1065, 'seen again', '2026-11-27 02:51:42.855299', 'shop_01');
INSERT INTO analytics.scans VALUES (1066, 'seen again', '2026-11-27 02:51:42.855299', 'shop_01');
INSERT INTO analytics.scans VALUES (1067, 'seen again', '2026-11-27 02:51:42.855299', 'shop_01');
INSERT INTO analytics.scans VALUES (1068, 'seen again', '2026-11-27 02:51:42.855299', 'shop_01');
INSERT INTO analytics.scans VALUES (1069, 'seen again', '2026-11-27 02:51:42.855299', 'shop_01');
INSERT INTO analytics.scans VALUES (1070, 'seen again', '2026-11-27 02:51:42.855299', 'shop_01');
INSERT INTO analytics.scans VALUES (1071, 'seen again', '2026-11-27 02:51:42.855299', 'shop_01');
INSERT INTO analytics.scans VALUES (1072, 'seen again', '2026-11-27 02:51:42.855299', 'shop_01');
INSERT INTO analytics.scans VALUES (1073, 'seen again', '2026-11-27 02:51:42.855299', 'shop_01');
INSERT INTO analytics.scans VALUES (1074, 'seen again', '2026-11-27 02:51:42.855299', 'shop_01');
INSERT INTO analytics.scans VALUES (1075, 'seen again', '2026-11-27 02:51:42.855299', 'shop_01');
INSERT INTO analytics.scans VALUES (1076, 'seen again', '2026-11-27 02:51:42.855299', 'shop_01');
INSERT INTO analytics.scans VALUES (1077, 'seen again', '2026-11-27 02:51:42.855299', 'shop_01');
INSERT INTO analytics.scans VALUES (1078, 'seen again', '2026-11-27 02:51:42.855299', 'shop_01');
INSERT INTO analytics.scans VALUES (1079, 'seen again', '2026-11-27 02:51:42.855299', 'shop_01');
INSERT INTO analytics.scans VALUES (1080, 'seen again', '2026-11-27 02:51:42.855299', 'shop_01');
INSERT INTO analytics.scans VALUES (1081, 'seen again', '2026-11-27 02:51:42.855299', 'shop_01');
INSERT INTO analytics.scans VALUES (1082, 'seen again', '2026-11-27 02:51:42.855299', 'shop_01');
INSERT INTO analytics.scans VALUES (1083, 'seen again', '2026-11-27 02:51:42.855299', 'shop_01');
INSERT INTO analytics.scans VALUES (1084, 'seen again', '2026-11-27 02:51:42.855299', 'shop_01');
INSERT INTO analytics.scans VALUES (1085, 'seen again', '2026-11-27 02:51:42.855299', 'shop_01');
INSERT INTO analytics.scans VALUES (1086, 'seen again', '2026-11-27 02:51:42.855299', 'shop_01');
INSERT INTO analytics.scans VALUES (1087, 'seen again', '2026-11-27 02:51:42.855299', 'shop_01');
INSERT INTO analytics.scans VALUES (1088, 'seen again', '2026-11-27 02:51:42.855299', 'shop_01');
INSERT INTO analytics.scans VALUES (1089, 'seen again', '2026-11-27 02:51:42.855299', 'shop_01');
INSERT INTO analytics.scans VALUES (1090, 'seen again', '2026-11-27 02:51:42.855299', 'shop_01');
INSERT INTO analytics.scans VALUES (1091, 'seen again', '2026-11-27 02:51:42.855299', 'shop_01');
INSERT INTO analytics.scans VALUES (1092, 'seen again', '2026-11-27 02:51:42.855299', 'shop_01');
INSERT INTO analytics.scans VALUES (1093, 'seen again', '2026-11-27 02:51:42.855299', 'shop_01');
INSERT INTO analytics.scans VALUES (1094, 'seen again', '2026-11-27 02:51:42.855299', 'shop_01');
INSERT INTO analytics.scans VALUES (1095, 'seen again', '2026-11-27 02:51:42.855299', 'shop_01');
INSERT INTO analytics.scans VALUES (1096, 'seen again', '2026-11-27 02:51:42.855299', 'shop_01');
INSERT INTO analytics.scans VALUES (1097, 'seen again', '2026-11-27 02:51:42.855299', 'shop_01');
INSERT INTO analytics.scans VALUES (1098, 'seen again', '2026-11-27 02:51:42.855299', 'shop_01');
INSERT INTO analytics.scans VALUES (1099, 'seen again', '2026-11-27 02:51:42.855299', 'shop_01');
INSERT INTO analytics.scans VALUES (1100, 'seen again', '2026-11-27 02:51:42.855299', 'shop_01');
INSERT INTO analytics.scans VALUES (1, 'seen', '2026-01-02 00:00:01', 'shop_00');
INSERT INTO analytics.scans VALUES (2, 'seen', '2026-01-02 00:00:02', 'shop_00');
INSERT INTO analytics.scans VALUES (3, 'seen', '2026-01-02 00:00:03', 'shop_00');
INSERT INTO analytics.scans VALUES (4, 'seen', '2026-01-02 00:00:04', 'shop_00');
INSERT INTO analytics.scans VALUES (5, 'seen', '2026-01-02 00:00:05', 'shop_00');
INSERT INTO analytics.scans VALUES (6, 'seen', '2026-01-02 00:00:06', 'shop_00');
INSERT INTO analytics.scans VALUES (7, 'seen', '2026-01-02 00:00:07', 'shop_00');
INSERT INTO analytics.scans VALUES (8, 'seen', '2026-01-02 00:00:08', 'shop_00');
INSERT INTO analytics.scans VALUES (9, 'seen', '2026-01-02 00:00:09', 'shop_00');
INSERT INTO analytics.scans VALUES (10, 'seen', '2026-01-02 00:00:10', 'shop_00');
INSERT INTO analytics.scans VALUES (11, 'seen', '2026-01-02 00:00:11', 'shop_00');
INSERT INTO analytics.scans VALUES (12, 'seen', '2026-01-02 00:00:12', 'shop_00');
INSERT INTO analytics.scans VALUES (13, 'seen', '2026-01-02 00:00:13', 'shop_00');
INSERT INTO analytics.scans VALUES (14, 'seen', '2026-01-02 00:00:14', 'shop_00');
INSERT INTO analytics.scans VALUES (15, 'seen', '2026-01-02 00:00:15', 'shop_00');
INSERT INTO analytics.scans VALUES (16, 'seen', '2026-01-02 00:00:16', 'shop_00');
INSERT INTO analytics.scans VALUES (17, 'seen', '2026-01-02 00:00:17', 'shop_00');
INSERT INTO analytics.scans VALUES (18, 'seen', '2026-01-02 00:00:18', 'shop_00');
INSERT INTO analytics.scans VALUES (19, 'seen', '2026-01-02 00:00:19', 'shop_00');
INSERT INTO analytics.scans VALUES (20, 'seen', '2026-01-02 00:00:20', 'shop_00');
INSERT INTO analytics.scans VALUES (21, 'seen', '2026-01-02 00:00:21', 'shop_00');
INSERT INTO analytics.scans VALUES (22, 'seen', '2026-01-02 00:00:22', 'shop_00');
INSERT INTO analytics.scans VALUES (23, 'seen', '2026-01-02 00:00:23', 'shop_00');
INSERT INTO analytics.scans VALUES (24, 'seen', '2026-01-02 00:00:24', 'shop_00');
INSERT INTO analytics.scans VALUES (25, 'seen', '2026-01-02 00:00:25', 'shop_00');
INSERT INTO analytics.scans VALUES (26, 'seen', '2026-01-02 00:00:26', 'shop_00');
INSERT INTO analytics.scans VALUES (27, 'seen', '2026-01-02 00:00:27', 'shop_00');
INSERT INTO analytics.scans VALUES (28, 'seen', '2026-01-02 00:00:28', 'shop_00');
INSERT INTO analytics.scans VALUES (29, 'seen', '2026-01-02 00:00:29', 'shop_00');
INSERT INTO analytics.scans VALUES (30, 'seen', '2026-01-02 00:00:30', 'shop_00');
INSERT INTO analytics.scans VALUES (31, 'seen', '2026-01-02 00:00:31', 'shop_00');
INSERT INTO analytics.scans VALUES (32, 'seen', '2026-01-02 00:00:32', 'shop_00');
INSERT INTO analytics.scans VALUES (33, 'seen', '2026-01-02 00:00:33', 'shop_00');
INSERT INTO analytics.scans VALUES (34, 'seen', '2026-01-02 00:00:34', 'shop_00');
INSERT INTO analytics.scans VALUES (35, 'seen', '2026-01-02 00:00:35', 'shop_00');
INSERT INTO analytics.scans VALUES (36, 'seen', '2026-01-02 00:00:36', 'shop_00');
INSERT INTO analytics.scans VALUES (37, 'seen', '2026-01-02 00:00:37', 'shop_00');
INSERT INTO analytics.scans VALUES (38, 'seen', '2026-01-02 00:00:38', 'shop_00');
INSERT INTO analytics.scans VALUES (39, 'seen', '2026-01-02 00:00:39', 'shop_00');
INSERT INTO analytics.scans VALUES (40, 'seen', '2026-01-02 00:00:40', 'shop_00');
INSERT INTO analytics.scans VALUES (41, 'seen', '2026-01-02 00:00:41', 'shop_00');
INSERT INTO analytics.scans VALUES (42, 'seen', '2026-01-02 00:00:42', 'shop_00');
INSERT INTO analytics.scans VALUES (43, 'seen', '2026-01-02 00:00:43', 'shop_00');
INSERT INTO analytics.scans VALUES (44, 'seen', '2026-01-02 00:00:44', 'shop_00');
INSERT INTO analytics.scans VALUES (45, 'seen', '2026-01-02 00:00:45', 'shop_00');
INSERT INTO analytics.scans VALUES (46, 'seen', '2026-01-02 00:00:46', 'shop_00');
INSERT INTO analytics.scans VALUES (47, 'seen', '2026-01-02 00:00:47', 'shop_00');
INSERT INTO analytics.scans VALUES (48, 'seen', '2026-01-02 00:00:48', 'shop_00');
INSERT INTO analytics.scans VALUES (49, 'seen', '2026-01-02 00:00:49', 'shop_00');
INSERT INTO analytics.scans VALUES (50, 'seen', '2026-01-02 00:00:50', 'shop_00');
INSERT INTO analytics.scans VALUES (51, 'seen', '2026-01-02 00:00:51', 'shop_00');
INSERT INTO analytics.scans VALUES (52, 'seen', '2026-01-02 00:00:52', 'shop_00');
INSERT INTO analytics.scans VALUES (53, 'seen', '2026-01-02 00:00:53', 'shop_00');
INSERT INTO analytics.scans VALUES (54, 'seen', '2026-01-02 00:00:54', 'shop_00');
INSERT INTO analytics.scans VALUES (55, 'seen', '2026-01-02 00:00:55', 'shop_00');
INSERT INTO analytics.scans VALUES (56, 'seen', '2026-01-02 00:00:56', 'shop_00');
INSERT INTO analytics.scans VALUES (57, 'seen', '2026-01-02 00:00:57', 'shop_00');
INSERT INTO analytics.scans VALUES (58, 'seen', '2026-01-02 00:00:58', 'shop_00');
INSERT INTO analytics.scans VALUES (59, 'seen', '2026-01-02 00:00:59', 'shop_00');
INSERT INTO analytics.scans VALUES (60, 'seen', '2026-01-02 00:01:00', 'shop_00');
INSERT INTO analytics.scans VALUES (61, 'seen', '2026-01-02 00:01:01', 'shop_00');
INSERT INTO analytics.scans VALUES (62, 'seen', '2026-01-02 00:01:02', 'shop_00');
INSERT INTO analytics.scans VALUES (63, 'seen', '2026-01-02 00:01:03', 'shop_00');
INSERT INTO analytics.scans VALUES (64, 'seen', '2026-01-02 00:01:04', 'shop_00');
INSERT INTO analytics.scans VALUES (65, 'seen', '2026-01-02 00:01:05', 'shop_00');
INSERT INTO analytics.scans VALUES (66, 'seen', '2026-01-02 00:01:06', 'shop_00');
INSERT INTO analytics.scans VALUES (67, 'seen', '2026-01-02 00:01:07', 'shop_00');
INSERT INTO analytics.scans VALUES (68, 'seen', '2026-01-02 00:01:08', 'shop_00');
INSERT INTO analytics.scans VALUES (69, 'seen', '2026-01-02 00:01:09', 'shop_00');
INSERT INTO analytics.scans VALUES (70, 'seen', '2026-01-02 00:01:10', 'shop_00');
INSERT INTO analytics.scans VALUES (71, 'seen', '2026-01-02 00:01:11', 'shop_00');
INSERT INTO analytics.scans VALUES (72, 'seen', '2026-01-02 00:01:12', 'shop_00');
INSERT INTO analytics.scans VALUES (73, 'seen', '2026-01-02 00:01:13', 'shop_00');
INSERT INTO analytics.scans VALUES (74, 'seen', '2026-01-02 00:01:14', 'shop_00');
INSERT INTO analytics.scans VALUES (75, 'seen', '2026-01-02 00:01:15', 'shop_00');
INSERT INTO analytics.scans VALUES (76, 'seen', '2026-01-02 00:01:16', 'shop_00');
INSERT INTO analytics.scans VALUES (77, 'seen', '2026-01-02 00:01:17', 'shop_00');
INSERT INTO analytics.scans VALUES (78, 'seen', '2026-01-02 00:01:18', 'shop_00');
INSERT INTO analytics.scans VALUES (79, 'seen', '2026-01-02 00:01:19', 'shop_00');
INSERT INTO analytics.scans VALUES (80, 'seen', '2026-01-02 00:01:20', 'shop_00');
INSERT INTO analytics.scans VALUES (81, 'seen', '2026-01-02 00:01:21', 'shop_00');
INSERT INTO analytics.scans VALUES (82, 'seen', '2026-01-02 00:01:22', 'shop_00');
INSERT INTO analytics.scans VALUES (83, 'seen', '2026-01-02 00:01:23', 'shop_00');
INSERT INTO analytics.scans VALUES (84, 'seen', '2026-01-02 00:01:24', 'shop_00');
INSERT INTO analytics.scans VALUES (85, 'seen', '2026-01-02 00:01:25', 'shop_00');
INSERT INTO analytics.scans VALUES (86, 'seen', '2026-01-02 00:01:26', 'shop_00');
INSERT INTO analytics.scans VALUES (87, 'seen', '2026-01-02 00:01:27', 'shop_00');
INSERT INTO analytics.scans VALUES (88, 'seen', '2026-01-02 00:01:28', 'shop_00');
INSERT INTO analytics.scans VALUES (89, 'seen', '2026-01-02 00:01:29', 'shop_00');
INSERT INTO analytics.scans VALUES (90, 'seen', '2026-01-02 00:01:30', 'shop_00');
INSERT INTO analytics.scans VALUES (91, 'seen', '2026-01-02 00:01:31', 'shop_00');
INSERT INTO analytics.scans VALUES (92, 'seen', '2026-01-02 00:01:32', 'shop_00');
INSERT INTO analytics.scans VALUES (93, 'seen', '2026-01-02 00:01:33', 'shop_00');
INSERT INTO analytics.scans VALUES (94, 'seen', '2026-01-02 00:01:34', 'shop_00');
INSERT INTO analytics.scans VALUES (95, 'seen', '2026-01-02 00:01:35', 'shop_00');
INSERT INTO analytics.scans VALUES (96, 'seen', '2026-01-02 00:01:36', 'shop_00');
INSERT INTO analytics.scans VALUES (97, 'seen', '2026-01-02 00:01:37', 'shop_00');
INSERT INTO analytics.scans VALUES (98, 'seen', '2026-01-02 00:01:38', 'shop_00');
INSERT INTO analytics.scans VALUES (99, 'seen', '2026-01-02 00:01:39', 'shop_00');
INSERT INTO analytics.scans VALUES (100, 'seen', '2026-01-02 00:01:40', 'shop_00');

INSERT INTO shardlake.alarms OVERRIDING SYSTEM VALUE VALUES (1, 'orders', 'shop_00', 'late', 'shop_00 is staler than 30m', '2026-11-27 02:51:51.459126+00', '2026-11-27 02:51:51.460409+00', '2026-11-27 02:51:51.460069+00', NULL);
INSERT INTO shardlake.alarms OVERRIDING SYSTEM VALUE VALUES (2, 'opened', 'shop_00', 'never arrived', 'shop_00 never arrived', '2026-11-27 02:51:51.4637+00', NULL, '2026-11-27 02:51:51.464434+00', NULL);

INSERT INTO shardlake.backfill_slices VALUES ('9a2ec2d5-86a7-4ffc-aff7-657d8df824e8', 0, 'shop_00', '2026-01-01 00:00:00.000000', '2026-01-02 00:00:00.000000', 'done', NULL, '2026-11-27 02:51:39.731475+00');
INSERT INTO shardlake.backfill_slices VALUES ('9a2ec2d5-86a7-4ffc-aff7-657d8df824e8', 1, 'shop_01', '2026-01-01 00:00:00.000000', '2026-01-02 00:00:00.000000', 'done', NULL, '2026-11-27 02:51:39.783583+00');
INSERT INTO shardlake.backfill_slices VALUES ('9a2ec2d5-86a7-4ffc-aff7-657d8df824e8', 2, 'shop_00', '2026-01-02 00:00:00.000000', '2026-01-03 00:00:00.000000', 'done', NULL, '2026-11-27 02:51:39.846423+00');
INSERT INTO shardlake.backfill_slices VALUES ('9a2ec2d5-86a7-4ffc-aff7-657d8df824e8', 3, 'shop_01', '2026-01-02 00:00:00.000000', '2026-01-03 00:00:00.000000', 'done', NULL, '2026-11-27 02:51:39.89673+00');
INSERT INTO shardlake.backfill_slices VALUES ('9a2ec2d5-86a7-4ffc-aff7-657d8df824e8', 4, 'shop_00', '2026-01-03 00:00:00.000000', '2026-01-04 00:00:00.000000', 'done', NULL, '2026-11-27 02:51:39.973808+00');
INSERT INTO shardlake.backfill_slices VALUES ('9a2ec2d5-86a7-4ffc-aff7-657d8df824e8', 5, 'shop_01', '2026-01-03 00:00:00.000000', '2026-01-04 00:00:00.000000', 'done', NULL, '2026-11-27 02:51:40.01894+00');
INSERT INTO shardlake.backfill_slices VALUES ('76db8819-5e54-40b8-aa73-f1e92e32a0b3', 3, 'shop_01', '2026-01-02 00:00:00.000000', '2026-01-03 00:00:00.000000', 'waiting', NULL, NULL);
INSERT INTO shardlake.backfill_slices VALUES ('76db8819-5e54-40b8-aa73-f1e92e32a0b3', 4, 'shop_00', '2026-01-03 00:00:00.000000', '2026-01-04 00:00:00.000000', 'waiting', NULL, NULL);
INSERT INTO shardlake.backfill_slices VALUES ('76db8819-5e54-40b8-aa73-f1e92e32a0b3', 5, 'shop_01', '2026-01-03 00:00:00.000000', '2026-01-04 00:00:00.000000', 'waiting', NULL, NULL);
INSERT INTO shardlake.backfill_slices VALUES ('76db8819-5e54-40b8-aa73-f1e92e32a0b3', 6, 'shop_00', '2026-01-04 00:00:00.000000', '2026-01-05 00:00:00.000000', 'waiting', NULL, NULL);
INSERT INTO shardlake.backfill_slices VALUES ('76db8819-5e54-40b8-aa73-f1e92e32a0b3', 7, 'shop_01', '2026-01-04 00:00:00.000000', '2026-01-05 00:00:00.000000', 'waiting', NULL, NULL);
INSERT INTO shardlake.backfill_slices VALUES ('76db8819-5e54-40b8-aa73-f1e92e32a0b3', 8, 'shop_00', '2026-01-05 00:00:00.000000', '2026-01-06 00:00:00.000000', 'waiting', NULL, NULL);
INSERT INTO shardlake.backfill_slices VALUES ('76db8819-5e54-40b8-aa73-f1e92e32a0b3', 9, 'shop_01', '2026-01-05 00:00:00.000000', '2026-01-06 00:00:00.000000', 'waiting', NULL, NULL);
INSERT INTO shardlake.backfill_slices VALUES ('76db8819-5e54-40b8-aa73-f1e92e32a0b3', 10, 'shop_00', '2026-01-06 00:00:00.000000', '2026-01-07 00:00:00.000000', 'waiting', NULL, NULL);
INSERT INTO shardlake.backfill_slices VALUES ('76db8819-5e54-40b8-aa73-f1e92e32a0b3', 11, 'shop_01', '2026-01-06 00:00:00.000000', '2026-01-07 00:00:00.000000', 'waiting', NULL, NULL);
INSERT INTO shardlake.backfill_slices VALUES ('76db8819-5e54-40b8-aa73-f1e92e32a0b3', 0, 'shop_00', '2026-01-01 00:00:00.000000', '2026-01-02 00:00:00.000000', 'done', NULL, '2026-11-27 02:51:40.24342+00');
INSERT INTO shardlake.backfill_slices VALUES ('76db8819-5e54-40b8-aa73-f1e92e32a0b3', 1, 'shop_01', '2026-01-01 00:00:00.000000', '2026-01-02 00:00:00.000000', 'done', NULL, '2026-11-27 02:51:40.307609+00');
INSERT INTO shardlake.backfill_slices VALUES ('76db8819-5e54-40b8-aa73-f1e92e32a0b3', 2, 'shop_00', '2026-01-02 00:00:00.000000', '2026-01-03 00:00:00.000000', 'done', NULL, '2026-11-27 02:51:40.345783+00');
INSERT INTO shardlake.backfill_slices VALUES ('999fbc87-1f35-4aaa-85bb-ec286e32dfe8', 1, 'shop_01', '2026-01-02 00:00:00.000000', '2026-01-04 00:00:00.000000', 'waiting', NULL, NULL);
INSERT INTO shardlake.backfill_slices VALUES ('999fbc87-1f35-4aaa-85bb-ec286e32dfe8', 0, 'shop_00', '2026-01-02 00:00:00.000000', '2026-01-04 00:00:00.000000', 'done', NULL, '2026-11-27 02:51:41.642198+00');

INSERT INTO shardlake.backfills VALUES ('9a2ec2d5-86a7-4ffc-aff7-657d8df824e8', 'orders', 'datetime', '2026-01-01 00:00:00.000000', '2026-01-04 00:00:00.000000', '86400s', '{shop_00,shop_01}', 'completed', '6/6 slices merged', '2026-11-27 02:51:39.66566+00', '2026-11-27 02:51:40.152262+00');
INSERT INTO shardlake.backfills VALUES ('76db8819-5e54-40b8-aa73-f1e92e32a0b3', 'orders', 'datetime', '2026-01-01 00:00:00.000000', '2026-01-07 00:00:00.000000', '86400s', '{shop_00,shop_01}', 'failed', 'RuntimeError: the backfill was broken off', '2026-11-27 02:51:40.174102+00', '2026-11-27 02:51:40.502946+00');
INSERT INTO shardlake.backfills VALUES ('999fbc87-1f35-4aaa-85bb-ec286e32dfe8', 'orders', 'datetime', '2026-01-02 00:00:00.000000', '2026-01-04 00:00:00.000000', '172800s', '{shop_00,shop_01}', 'given up', 'RuntimeError: the backfill was broken off', '2026-11-27 02:51:40.523062+00', '2026-11-27 02:51:41.704111+00');

INSERT INTO shardlake.contracts VALUES ('orders', '{"id": "int", "amount": "decimal", "status": "text", "payload": "text", "updated_at": "datetime"}', '2026-11-27 02:51:37.477614+00');
INSERT INTO shardlake.contracts VALUES ('scans', '{"at": "datetime", "id": "int", "kind": "text"}', '2026-11-27 02:51:41.783762+00');
INSERT INTO shardlake.contracts VALUES ('counted', '{"id": "int", "label": "text", "version": "int"}', '2026-11-27 02:51:44.312185+00');
INSERT INTO shardlake.contracts VALUES ('replaced', '{"code": "text", "title": "text"}', '2026-11-27 02:51:48.247229+00');
INSERT INTO shardlake.contracts VALUES ('people', '{"id": "int", "title": "text", "deleted_at": "datetime", "updated_at": "datetime"}', '2026-11-27 02:51:48.766273+00');
INSERT INTO shardlake.contracts VALUES ('opened', '{"at": "datetime", "id": "int"}', '2026-11-27 02:51:49.286005+00');

INSERT INTO shardlake.files VALUES (1, 'raw/orders/load_date=2026-11-27/shard=shop_00/w000000001-00000.parquet', 12, 2106);
INSERT INTO shardlake.files VALUES (2, 'raw/orders/load_date=2026-11-27/shard=shop_01/w000000002-00000.parquet', 12, 2220);
INSERT INTO shardlake.files VALUES (3, 'raw/orders/load_date=2026-11-27/shard=shop_01/w000000003-00000.parquet', 3, 2039);
INSERT INTO shardlake.files VALUES (4, 'raw/orders/load_date=2026-11-27/shard=shop_00/w000000004-00000.parquet', 4, 2063);
INSERT INTO shardlake.files VALUES (5, 'raw/orders/load_date=2026-11-27/shard=shop_00/w000000005-00000.parquet', 1, 2084);
INSERT INTO shardlake.files VALUES (6, 'raw/orders/load_date=2026-11-27/shard=shop_01/w000000006-00000.parquet', 1, 2084);
INSERT INTO shardlake.files VALUES (7, 'raw/orders/load_date=2026-11-27/shard=shop_00/w000000007-00000.parquet', 2, 2112);
INSERT INTO shardlake.files VALUES (8, 'raw/orders/load_date=2026-11-27/shard=shop_01/w000000008-00000.parquet', 2, 2112);
INSERT INTO shardlake.files VALUES (9, 'raw/orders/load_date=2026-11-27/shard=shop_00/w000000009-00000.parquet', 1, 2072);
INSERT INTO shardlake.files VALUES (10, 'raw/orders/load_date=2026-11-27/shard=shop_01/w000000010-00000.parquet', 1, 2072);
INSERT INTO shardlake.files VALUES (11, 'raw/orders/load_date=2026-11-27/shard=shop_00/w000000011-00000.parquet', 1, 2084);
INSERT INTO shardlake.files VALUES (12, 'raw/orders/load_date=2026-11-27/shard=shop_01/w000000012-00000.parquet', 1, 2084);
INSERT INTO shardlake.files VALUES (13, 'raw/orders/load_date=2026-11-27/shard=shop_00/w000000013-00000.parquet', 2, 2112);
INSERT INTO shardlake.files VALUES (14, 'raw/orders/load_date=2026-11-27/shard=shop_01/w000000014-00000.parquet', 2, 2112);
INSERT INTO shardlake.files VALUES (15, 'raw/orders/load_date=2026-11-27/shard=shop_00/w000000015-00000.parquet', 3, 2138);
INSERT INTO shardlake.files VALUES (16, 'raw/orders/load_date=2026-11-27/shard=shop_01/w000000016-00000.parquet', 3, 2138);
INSERT INTO shardlake.files VALUES (17, 'raw/scans/load_date=2026-11-27/shard=shop_01/w000000017-00000.parquet', 100, 1457);
INSERT INTO shardlake.files VALUES (18, 'raw/scans/load_date=2026-11-27/shard=shop_01/w000000018-00000.parquet', 30, 1381);
INSERT INTO shardlake.files VALUES (19, 'raw/scans/load_date=2026-11-27/shard=shop_01/w000000019-00000.parquet', 100, 1392);
INSERT INTO shardlake.files VALUES (20, 'raw/scans/load_date=2026-11-27/shard=shop_00/w000000020-00000.parquet', 100, 1488);
INSERT INTO shardlake.files VALUES (21, 'raw/scans/load_date=2026-11-27/shard=shop_00/w000000021-00000.parquet', 100, 1489);
INSERT INTO shardlake.files VALUES (22, 'raw/counted/load_date=2026-11-27/shard=shop_01/w000000022-00000.parquet', 8, 1218);
INSERT INTO shardlake.files VALUES (23, 'raw/counted/load_date=2026-11-27/shard=shop_00/w000000023-00000.parquet', 8, 1218);
INSERT INTO shardlake.files VALUES (24, 'raw/counted/load_date=2026-11-27/shard=shop_00/w000000024-00000.parquet', 3, 1191);
INSERT INTO shardlake.files VALUES (25, 'raw/counted/load_date=2026-11-27/shard=shop_01/w000000025-00000.parquet', 3, 1191);
INSERT INTO shardlake.files VALUES (27, 'raw/replaced/load_date=2026-11-27/shard=shop_00/w000000027-00000.parquet', 2, 814);
INSERT INTO shardlake.files VALUES (26, 'raw/replaced/load_date=2026-11-27/shard=shop_01/w000000026-00000.parquet', 1, 802);
INSERT INTO shardlake.files VALUES (29, 'raw/replaced/load_date=2026-11-27/shard=shop_00/w000000029-00000.parquet', 2, 814);
INSERT INTO shardlake.files VALUES (28, 'raw/replaced/load_date=2026-11-27/shard=shop_01/w000000028-00000.parquet', 2, 820);
INSERT INTO shardlake.files VALUES (30, 'raw/people/load_date=2026-11-27/shard=shop_00/w000000030-00000.parquet', 6, 1546);
INSERT INTO shardlake.files VALUES (31, 'raw/people/load_date=2026-11-27/shard=shop_01/w000000031-00000.parquet', 6, 1546);
INSERT INTO shardlake.files VALUES (32, 'raw/people/load_date=2026-11-27/shard=shop_00/w000000032-00000.parquet', 2, 1687);
INSERT INTO shardlake.files VALUES (33, 'raw/people/load_date=2026-11-27/shard=shop_01/w000000033-00000.parquet', 1, 1653);
INSERT INTO shardlake.files VALUES (34, 'raw/opened/load_date=2026-11-27/shard=shop_01/w000000034-00000.parquet', 5, 966);

INSERT INTO shardlake.lake_commits OVERRIDING SYSTEM VALUE VALUES (1, '52f126ed-ceec-46a0-9623-572a0cc05689', 'orders', 'orders_by_status', 'published', '2026-11-27 02:51:38.983142+00', '2026-11-27 02:51:39.134125+00', 22, 19, 0, 3, 0.1849, '["id", "amount", "updated_at", "age", "customer_name", "items", "_shard"]');
INSERT INTO shardlake.lake_commits OVERRIDING SYSTEM VALUE VALUES (2, '52f126ed-ceec-46a0-9623-572a0cc05689', 'orders', 'orders_by_day', 'published', '2026-11-27 02:51:38.994836+00', '2026-11-27 02:51:39.163128+00', 22, 20, 0, 2, 0.2129, '["id", "status", "amount", "updated_at", "age", "customer_name", "items", "_op", "_seq", "_shard", "_window"]');
INSERT INTO shardlake.lake_commits OVERRIDING SYSTEM VALUE VALUES (3, '52f126ed-ceec-46a0-9623-572a0cc05689', 'orders', 'orders_now', 'published', '2026-11-27 02:51:39.002264+00', '2026-11-27 02:51:39.182453+00', 22, 20, 0, 2, 0.23, '["id", "status", "amount", "updated_at", "age", "customer_name", "items", "_shard"]');
INSERT INTO shardlake.lake_commits OVERRIDING SYSTEM VALUE VALUES (5, 'dab80b12-f86c-447d-964f-51a2ce015934', 'orders', 'orders_by_day', 'published', '2026-11-27 02:51:39.548024+00', '2026-11-27 02:51:39.586567+00', 7, 7, 0, 0, 0.07, '["id", "status", "amount", "updated_at", "age", "customer_name", "items", "_op", "_seq", "_shard", "_window"]');
INSERT INTO shardlake.lake_commits OVERRIDING SYSTEM VALUE VALUES (6, 'dab80b12-f86c-447d-964f-51a2ce015934', 'orders', 'orders_now', 'published', '2026-11-27 02:51:39.5488+00', '2026-11-27 02:51:39.612699+00', 7, 7, 0, 0, 0.0934, '["id", "status", "amount", "updated_at", "age", "customer_name", "items", "_shard"]');
INSERT INTO shardlake.lake_commits OVERRIDING SYSTEM VALUE VALUES (4, 'dab80b12-f86c-447d-964f-51a2ce015934', 'orders', 'orders_by_status', 'published', '2026-11-27 02:51:39.545023+00', '2026-11-27 02:51:39.616054+00', 7, 7, 0, 0, 0.0952, '["id", "amount", "updated_at", "age", "customer_name", "items", "_shard"]');
INSERT INTO shardlake.lake_commits OVERRIDING SYSTEM VALUE VALUES (7, '9a2ec2d5-86a7-4ffc-aff7-657d8df824e8', 'orders', 'orders_by_day', 'published', '2026-11-27 02:51:40.036846+00', '2026-11-27 02:51:40.060455+00', 8, 8, 0, 0, 0.0371, '["id", "status", "amount", "updated_at", "age", "customer_name", "items", "_op", "_seq", "_shard", "_window"]');
INSERT INTO shardlake.lake_commits OVERRIDING SYSTEM VALUE VALUES (8, '9a2ec2d5-86a7-4ffc-aff7-657d8df824e8', 'orders', 'orders_now', 'published', '2026-11-27 02:51:40.075389+00', '2026-11-27 02:51:40.099243+00', 8, 0, 8, 0, 0.0381, '["id", "status", "amount", "updated_at", "age", "customer_name", "items", "_shard"]');
INSERT INTO shardlake.lake_commits OVERRIDING SYSTEM VALUE VALUES (9, '9a2ec2d5-86a7-4ffc-aff7-657d8df824e8', 'orders', 'orders_by_status', 'published', '2026-11-27 02:51:40.115288+00', '2026-11-27 02:51:40.134102+00', 8, 0, 8, 0, 0.0329, '["id", "amount", "updated_at", "age", "customer_name", "items", "_shard"]');
INSERT INTO shardlake.lake_commits OVERRIDING SYSTEM VALUE VALUES (10, '65f7c2b0-dea7-4b34-b5e7-1972c21c38ad', 'counted', 'counted_history', 'published', '2026-11-27 02:51:45.296222+00', '2026-11-27 02:51:45.318871+00', 16, 16, 0, 0, 0.0685, '["id", "label", "_cursor", "_op", "_seq", "_shard", "_window"]');
INSERT INTO shardlake.lake_commits OVERRIDING SYSTEM VALUE VALUES (11, '191d3432-1c07-4c2c-98fd-d90d70d26c79', 'counted', 'counted_history', 'open', '2026-11-27 02:51:47.969961+00', NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO shardlake.lake_commits OVERRIDING SYSTEM VALUE VALUES (12, '3bbbd749-71a5-4ab4-b995-c62ab3acae98', 'replaced', 'replaced_whole', 'published', '2026-11-27 02:51:48.379982+00', '2026-11-27 02:51:48.39934+00', 3, 3, 0, 0, 0.0375, '["code", "title", "_op", "_seq", "_shard", "_window"]');
INSERT INTO shardlake.lake_commits OVERRIDING SYSTEM VALUE VALUES (13, '274b6615-c0d5-4006-831f-1d546b076f70', 'replaced', 'replaced_whole', 'published', '2026-11-27 02:51:48.624592+00', '2026-11-27 02:51:48.654142+00', 4, 4, 0, 0, 0.0455, '["code", "title", "_op", "_seq", "_shard", "_window"]');

INSERT INTO shardlake.lake_files VALUES ('analytics/orders_by_day/dt=2026-01-02/c00000002-000.parquet', 2, 'orders', 'orders_by_day', '["2026-01-02"]', 4, 3152, NULL, NULL);
INSERT INTO shardlake.lake_files VALUES ('analytics/orders_by_day/dt=2026-01-05/c00000002-000.parquet', 2, 'orders', 'orders_by_day', '["2026-01-05"]', 4, 3144, NULL, NULL);
INSERT INTO shardlake.lake_files VALUES ('analytics/orders_by_day/dt=2026-01-06/c00000002-000.parquet', 2, 'orders', 'orders_by_day', '["2026-01-06"]', 4, 3156, NULL, NULL);
INSERT INTO shardlake.lake_files VALUES ('analytics/orders_by_day/dt=2026-01-01/c00000002-000.parquet', 2, 'orders', 'orders_by_day', '["2026-01-01"]', 4, 3145, NULL, NULL);
INSERT INTO shardlake.lake_files VALUES ('analytics/orders_by_day/dt=2026-01-03/c00000002-000.parquet', 2, 'orders', 'orders_by_day', '["2026-01-03"]', 2, 3102, NULL, NULL);
INSERT INTO shardlake.lake_files VALUES ('analytics/orders_by_day/dt=2026-01-04/c00000002-000.parquet', 2, 'orders', 'orders_by_day', '["2026-01-04"]', 2, 3102, NULL, NULL);
INSERT INTO shardlake.lake_files VALUES ('analytics/orders_by_day/dt=2026-11-27/c00000005-000.parquet', 5, 'orders', 'orders_by_day', '["2026-11-27"]', 7, 3091, NULL, NULL);
INSERT INTO shardlake.lake_files VALUES ('analytics/orders_by_status/status=new/c00000004/c00000004-000.parquet', 4, 'orders', 'orders_by_status', '["new"]', 18, 2374, NULL, NULL);
INSERT INTO shardlake.lake_files VALUES ('analytics/orders_by_status/status=paid/c00000004/c00000004-000.parquet', 4, 'orders', 'orders_by_status', '["paid"]', 4, 2090, NULL, NULL);
INSERT INTO shardlake.lake_files VALUES ('analytics/orders_by_status/status=new/c00000001/c00000001-000.parquet', 1, 'orders', 'orders_by_status', '["new"]', 19, 2369, 4, '2026-11-27 02:51:39.616054+00');
INSERT INTO shardlake.lake_files VALUES ('analytics/orders_by_day/dt=2026-01-01/c00000007-000.parquet', 7, 'orders', 'orders_by_day', '["2026-01-01"]', 2, 2965, NULL, NULL);
INSERT INTO shardlake.lake_files VALUES ('analytics/orders_by_day/dt=2026-01-02/c00000007-000.parquet', 7, 'orders', 'orders_by_day', '["2026-01-02"]', 4, 3016, NULL, NULL);
INSERT INTO shardlake.lake_files VALUES ('analytics/orders_by_day/dt=2026-01-03/c00000007-000.parquet', 7, 'orders', 'orders_by_day', '["2026-01-03"]', 2, 2953, NULL, NULL);
INSERT INTO shardlake.lake_files VALUES ('analytics/counted_history/c00000010-000.parquet', 10, 'counted', 'counted_history', '[]', 16, 2173, NULL, NULL);
INSERT INTO shardlake.lake_files VALUES ('analytics/counted_history/c00000011-000.parquet', 11, 'counted', 'counted_history', '[]', 6, 1948, NULL, NULL);
INSERT INTO shardlake.lake_files VALUES ('analytics/replaced_whole/v00000013/c00000013-000.parquet', 13, 'replaced', 'replaced_whole', '[]', 4, 1626, NULL, NULL);
INSERT INTO shardlake.lake_files VALUES ('analytics/replaced_whole/v00000012/c00000012-000.parquet', 12, 'replaced', 'replaced_whole', '[]', 3, 1597, 13, '2026-11-27 02:51:48.654142+00');

INSERT INTO shardlake.lake_tables VALUES ('raw', 'orders', 'orders', '', '{"sql": "", "format": "parquet", "columns": [["id", "bigint"], ["updated_at", "string"], ["status", "string"], ["amount", "string"], ["payload", "string"]], "location": "raw/orders", "partitions": [["load_date", "date"], ["shard", "string"]], "projection": {}, "partitioned_by": ""}', '2026-11-27 02:51:38.950167+00');
INSERT INTO shardlake.lake_tables VALUES ('analytics', 'orders_by_status', 'orders', 'orders_by_status', '{"sql": "", "format": "parquet", "columns": [["id", "bigint"], ["amount", "decimal(12,2)"], ["updated_at", "timestamp"], ["age", "smallint"], ["customer_name", "string"], ["items", "string"], ["_shard", "string"]], "location": "analytics/orders_by_status", "partitions": [["status", "string"]], "projection": {}, "partitioned_by": "status"}', '2026-11-27 02:51:39.134125+00');
INSERT INTO shardlake.lake_tables VALUES ('analytics', 'orders_by_day', 'orders', 'orders_by_day', '{"sql": "", "format": "parquet", "columns": [["id", "bigint"], ["status", "string"], ["amount", "decimal(12,2)"], ["updated_at", "timestamp"], ["age", "smallint"], ["customer_name", "string"], ["items", "string"], ["_op", "string"], ["_seq", "bigint"], ["_shard", "string"], ["_window", "bigint"]], "location": "analytics/orders_by_day", "partitions": [["dt", "date"]], "projection": {}, "partitioned_by": "day(updated_at)"}', '2026-11-27 02:51:39.163128+00');
INSERT INTO shardlake.lake_tables VALUES ('analytics', 'orders_by_day_latest', 'orders', 'orders_by_day', '{"sql": "SELECT \"id\", \"status\", \"amount\", \"updated_at\", \"age\", \"customer_name\", \"items\", \"_shard\", \"dt\" FROM (SELECT *, rank() OVER (PARTITION BY \"id\" ORDER BY \"updated_at\" DESC NULLS LAST, _shard DESC, _window DESC, _seq DESC) AS _rank FROM \"analytics\".\"orders_by_day\") AS versions WHERE _rank = 1 AND _op IS NULL", "format": "view", "columns": [["id", "bigint"], ["status", "string"], ["amount", "decimal(12,2)"], ["updated_at", "timestamp"], ["age", "smallint"], ["customer_name", "string"], ["items", "string"], ["_shard", "string"], ["dt", "date"]], "location": "", "partitions": [], "projection": {}, "partitioned_by": ""}', '2026-11-27 02:51:39.163128+00');
INSERT INTO shardlake.lake_tables VALUES ('analytics', 'orders_now', 'orders', 'orders_now', '{"sql": "", "format": "delta", "columns": [["id", "bigint"], ["status", "string"], ["amount", "decimal(12,2)"], ["updated_at", "timestamp"], ["age", "smallint"], ["customer_name", "string"], ["items", "string"], ["_shard", "string"]], "location": "analytics/orders_now", "partitions": [], "projection": {}, "partitioned_by": ""}', '2026-11-27 02:51:39.182453+00');
INSERT INTO shardlake.lake_tables VALUES ('raw', 'scans', 'scans', '', '{"sql": "", "format": "parquet", "columns": [["id", "bigint"], ["at", "string"], ["kind", "string"]], "location": "raw/scans", "partitions": [["load_date", "date"], ["shard", "string"]], "projection": {}, "partitioned_by": ""}', '2026-11-27 02:51:42.820165+00');
INSERT INTO shardlake.lake_tables VALUES ('raw', 'counted', 'counted', '', '{"sql": "", "format": "parquet", "columns": [["id", "bigint"], ["version", "bigint"], ["label", "string"]], "location": "raw/counted", "partitions": [["load_date", "date"], ["shard", "string"]], "projection": {}, "partitioned_by": ""}', '2026-11-27 02:51:45.252179+00');
INSERT INTO shardlake.lake_tables VALUES ('analytics', 'counted_history', 'counted', 'counted_history', '{"sql": "", "format": "parquet", "columns": [["id", "bigint"], ["label", "string"], ["_cursor", "bigint"], ["_op", "string"], ["_seq", "bigint"], ["_shard", "string"], ["_window", "bigint"]], "location": "analytics/counted_history", "partitions": [], "projection": {}, "partitioned_by": ""}', '2026-11-27 02:51:45.318871+00');
INSERT INTO shardlake.lake_tables VALUES ('analytics', 'counted_history_latest', 'counted', 'counted_history', '{"sql": "SELECT \"id\", \"label\", \"_cursor\", \"_shard\" FROM (SELECT *, rank() OVER (PARTITION BY \"id\" ORDER BY \"_cursor\" DESC NULLS LAST, _shard DESC, _window DESC, _seq DESC) AS _rank FROM \"analytics\".\"counted_history\") AS versions WHERE _rank = 1 AND _op IS NULL", "format": "view", "columns": [["id", "bigint"], ["label", "string"], ["_cursor", "bigint"], ["_shard", "string"]], "location": "", "partitions": [], "projection": {}, "partitioned_by": ""}', '2026-11-27 02:51:45.318871+00');
INSERT INTO shardlake.lake_tables VALUES ('raw', 'replaced', 'replaced', '', '{"sql": "", "format": "parquet", "columns": [["code", "string"], ["title", "string"]], "location": "raw/replaced", "partitions": [["load_date", "date"], ["shard", "string"]], "projection": {}, "partitioned_by": ""}', '2026-11-27 02:51:48.361422+00');
INSERT INTO shardlake.lake_tables VALUES ('analytics', 'replaced_whole', 'replaced', 'replaced_whole', '{"sql": "", "format": "parquet", "columns": [["code", "string"], ["title", "string"], ["_op", "string"], ["_seq", "bigint"], ["_shard", "string"], ["_window", "bigint"]], "location": "analytics/replaced_whole/v00000013", "partitions": [], "projection": {}, "partitioned_by": ""}', '2026-11-27 02:51:48.654142+00');
INSERT INTO shardlake.lake_tables VALUES ('raw', 'people', 'people', '', '{"sql": "", "format": "parquet", "columns": [["id", "bigint"], ["updated_at", "string"], ["deleted_at", "string"], ["title", "string"]], "location": "raw/people", "partitions": [["load_date", "date"], ["shard", "string"]], "projection": {}, "partitioned_by": ""}', '2026-11-27 02:51:48.930566+00');
INSERT INTO shardlake.lake_tables VALUES ('raw', 'opened', 'opened', '', '{"sql": "", "format": "parquet", "columns": [["id", "bigint"], ["at", "string"]], "location": "raw/opened", "partitions": [["load_date", "date"], ["shard", "string"]], "projection": {}, "partitioned_by": ""}', '2026-11-27 02:51:49.334442+00');

INSERT INTO shardlake.lake_windows VALUES ('orders', 'orders_by_day', 1, 2);
INSERT INTO shardlake.lake_windows VALUES ('orders', 'orders_by_day', 2, 2);
INSERT INTO shardlake.lake_windows VALUES ('orders', 'orders_by_status', 1, 1);
INSERT INTO shardlake.lake_windows VALUES ('orders', 'orders_by_status', 2, 1);
INSERT INTO shardlake.lake_windows VALUES ('orders', 'orders_now', 1, 3);
INSERT INTO shardlake.lake_windows VALUES ('orders', 'orders_now', 2, 3);
INSERT INTO shardlake.lake_windows VALUES ('orders', 'orders_by_status', 3, 4);
INSERT INTO shardlake.lake_windows VALUES ('orders', 'orders_by_status', 4, 4);
INSERT INTO shardlake.lake_windows VALUES ('orders', 'orders_now', 3, 6);
INSERT INTO shardlake.lake_windows VALUES ('orders', 'orders_by_day', 3, 5);
INSERT INTO shardlake.lake_windows VALUES ('orders', 'orders_by_day', 4, 5);
INSERT INTO shardlake.lake_windows VALUES ('orders', 'orders_now', 4, 6);
INSERT INTO shardlake.lake_windows VALUES ('orders', 'orders_by_day', 5, 7);
INSERT INTO shardlake.lake_windows VALUES ('orders', 'orders_by_day', 6, 7);
INSERT INTO shardlake.lake_windows VALUES ('orders', 'orders_by_day', 7, 7);
INSERT INTO shardlake.lake_windows VALUES ('orders', 'orders_by_day', 8, 7);
INSERT INTO shardlake.lake_windows VALUES ('orders', 'orders_by_day', 9, 7);
INSERT INTO shardlake.lake_windows VALUES ('orders', 'orders_by_day', 10, 7);
INSERT INTO shardlake.lake_windows VALUES ('orders', 'orders_now', 5, 8);
INSERT INTO shardlake.lake_windows VALUES ('orders', 'orders_now', 6, 8);
INSERT INTO shardlake.lake_windows VALUES ('orders', 'orders_now', 7, 8);
INSERT INTO shardlake.lake_windows VALUES ('orders', 'orders_now', 8, 8);
INSERT INTO shardlake.lake_windows VALUES ('orders', 'orders_now', 9, 8);
INSERT INTO shardlake.lake_windows VALUES ('orders', 'orders_now', 10, 8);
INSERT INTO shardlake.lake_windows VALUES ('orders', 'orders_by_status', 5, 9);
INSERT INTO shardlake.lake_windows VALUES ('orders', 'orders_by_status', 6, 9);
INSERT INTO shardlake.lake_windows VALUES ('orders', 'orders_by_status', 7, 9);
INSERT INTO shardlake.lake_windows VALUES ('orders', 'orders_by_status', 8, 9);
INSERT INTO shardlake.lake_windows VALUES ('orders', 'orders_by_status', 9, 9);
INSERT INTO shardlake.lake_windows VALUES ('orders', 'orders_by_status', 10, 9);
INSERT INTO shardlake.lake_windows VALUES ('counted', 'counted_history', 22, 10);
INSERT INTO shardlake.lake_windows VALUES ('counted', 'counted_history', 23, 10);
INSERT INTO shardlake.lake_windows VALUES ('counted', 'counted_history', 24, 11);
INSERT INTO shardlake.lake_windows VALUES ('counted', 'counted_history', 25, 11);
INSERT INTO shardlake.lake_windows VALUES ('replaced', 'replaced_whole', 26, 12);
INSERT INTO shardlake.lake_windows VALUES ('replaced', 'replaced_whole', 27, 12);
INSERT INTO shardlake.lake_windows VALUES ('replaced', 'replaced_whole', 28, 13);
INSERT INTO shardlake.lake_windows VALUES ('replaced', 'replaced_whole', 29, 13);

INSERT INTO shardlake.migrations VALUES (1, '001_ledger.sql', '2026-11-27 02:51:37.411232+00');
INSERT INTO shardlake.migrations VALUES (2, '002_casts.sql', '2026-11-27 02:51:37.411232+00');
INSERT INTO shardlake.migrations VALUES (3, '003_lake.sql', '2026-11-27 02:51:37.411232+00');
INSERT INTO shardlake.migrations VALUES (4, '004_backfill.sql', '2026-11-27 02:51:37.411232+00');
INSERT INTO shardlake.migrations VALUES (5, '005_alarms.sql', '2026-11-27 02:51:37.411232+00');
INSERT INTO shardlake.migrations VALUES (6, '006_read_again.sql', '2026-11-27 02:51:37.411232+00');
INSERT INTO shardlake.migrations VALUES (7, '007_given_up.sql', '2026-11-27 02:51:37.411232+00');

INSERT INTO shardlake.rejects OVERRIDING SYSTEM VALUE VALUES (2, 2, 'orders', 'shop_01', 'merge', '{"id": "103"}', 'age', 'old', 'is not smallint', '2026-11-27 02:51:38.802412+00', NULL, NULL, NULL);
INSERT INTO shardlake.rejects OVERRIDING SYSTEM VALUE VALUES (4, 1, 'orders', 'shop_00', 'shape', '{"id": "3"}', 'payload', '{"age": ', 'is not JSON (unexpected end of data at 8)', '2026-11-27 02:51:38.803549+00', NULL, NULL, NULL);
INSERT INTO shardlake.rejects OVERRIDING SYSTEM VALUE VALUES (5, 2, 'orders', 'shop_01', 'lake', '{"id": "104"}', 'status', '', 'is '''', which a partition cannot be: readers take it for NULL; partition by bucket(…) instead', '2026-11-27 02:51:39.134125+00', 'orders_by_status', 1, NULL);
INSERT INTO shardlake.rejects OVERRIDING SYSTEM VALUE VALUES (3, 2, 'orders', 'shop_01', 'shape', '{"id": "102"}', 'payload', '{"age": ', 'is not JSON (unexpected end of data at 8)', '2026-11-27 02:51:38.802412+00', NULL, NULL, '2026-11-27 02:51:39.490289+00');
INSERT INTO shardlake.rejects OVERRIDING SYSTEM VALUE VALUES (1, 1, 'orders', 'shop_00', 'merge', '{"id": "2"}', 'age', '70000', 'is not smallint', '2026-11-27 02:51:38.803549+00', NULL, NULL, '2026-11-27 02:51:39.489798+00');

INSERT INTO shardlake.run_shards VALUES ('52f126ed-ceec-46a0-9623-572a0cc05689', 'orders', 'shop_00', 'merged', '{"read": 12, "bytes": 2106, "error": null, "notes": [], "shard": "shop_00", "state": "merged", "merged": 10, "window": {"to": "2026-11-27 02:51:37.472700", "from": null}, "removed": 0, "seconds": {"raw": 0.003, "plan": 0.013, "merge": 0.021, "shape": 0.093, "stage": 0.027, "extract": 0.906}, "windows": 1, "rejected": 2, "unchanged": 0, "superseded": 0}', NULL, '2026-11-27 02:51:39.207978+00');
INSERT INTO shardlake.run_shards VALUES ('52f126ed-ceec-46a0-9623-572a0cc05689', 'orders', 'shop_01', 'merged', '{"read": 12, "bytes": 2220, "error": null, "notes": [], "shard": "shop_01", "state": "merged", "merged": 10, "window": {"to": "2026-11-27 02:51:37.472668", "from": null}, "removed": 0, "seconds": {"raw": 0.001, "plan": 0.012, "merge": 0.017, "shape": 0.093, "stage": 0.031, "extract": 0.931}, "windows": 1, "rejected": 2, "unchanged": 0, "superseded": 0}', NULL, '2026-11-27 02:51:39.207978+00');
INSERT INTO shardlake.run_shards VALUES ('dab80b12-f86c-447d-964f-51a2ce015934', 'orders', 'shop_00', 'merged', '{"read": 4, "bytes": 2063, "error": null, "notes": [], "shard": "shop_00", "state": "merged", "merged": 4, "window": {"to": "2026-11-27 02:51:39.376670", "from": "2026-11-27 02:51:37.472700"}, "removed": 0, "seconds": {"raw": 0.005, "plan": 0.008, "merge": 0.013, "shape": 0.049, "stage": 0.009, "extract": 0.02}, "windows": 1, "rejected": 0, "unchanged": 0, "superseded": 0}', NULL, '2026-11-27 02:51:39.634766+00');
INSERT INTO shardlake.run_shards VALUES ('dab80b12-f86c-447d-964f-51a2ce015934', 'orders', 'shop_01', 'merged', '{"read": 3, "bytes": 2039, "error": null, "notes": [], "shard": "shop_01", "state": "merged", "merged": 3, "window": {"to": "2026-11-27 02:51:39.376625", "from": "2026-11-27 02:51:37.472668"}, "removed": 0, "seconds": {"raw": 0.001, "plan": 0.008, "merge": 0.016, "shape": 0.061, "stage": 0.006, "extract": 0.011}, "windows": 1, "rejected": 0, "unchanged": 0, "superseded": 0}', NULL, '2026-11-27 02:51:39.634766+00');
INSERT INTO shardlake.run_shards VALUES ('95f5b657-90a2-4d8a-8a9a-2558b140f16b', 'scans', 'shop_01', 'merged', '{"read": 130, "bytes": 2838, "error": null, "notes": [], "shard": "shop_01", "state": "merged", "merged": 130, "window": {"to": "2026-11-27 02:51:42.815648", "from": null}, "removed": 0, "seconds": {"raw": 0.007, "plan": 0.031, "merge": 0.025, "shape": 0.099, "stage": 0.035, "extract": 0.734}, "windows": 2, "rejected": 0, "unchanged": 0, "superseded": 0}', NULL, '2026-11-27 02:51:42.826558+00');
INSERT INTO shardlake.run_shards VALUES ('53ff6cf4-cac8-428d-9d82-3b2b11da3a86', 'scans', 'shop_01', 'nothing', '{"read": 0, "bytes": 0, "error": null, "notes": [], "shard": "shop_01", "state": "nothing", "merged": 0, "window": {"to": "2026-11-27 02:51:42.879712", "from": "2026-11-27 02:51:42.815648"}, "removed": 0, "seconds": {"raw": 0.0, "plan": 0.01, "merge": 0.0, "shape": 0.0, "stage": 0.0, "extract": 0.0}, "windows": 0, "rejected": 0, "unchanged": 0, "superseded": 0}', NULL, '2026-11-27 02:51:43.041285+00');
INSERT INTO shardlake.run_shards VALUES ('52bd8bfa-38af-4dd2-90db-a25ed46a12b1', 'scans', 'shop_00', 'merged', '{"read": 100, "bytes": 1488, "error": null, "notes": [], "shard": "shop_00", "state": "merged", "merged": 100, "window": {"to": "2026-11-27 02:51:43.066939", "from": null}, "removed": 0, "seconds": {"raw": 0.002, "plan": 0.011, "merge": 0.003, "shape": 0.021, "stage": 0.018, "extract": 0.994}, "windows": 1, "rejected": 0, "unchanged": 0, "superseded": 0}', NULL, '2026-11-27 02:51:44.223631+00');
INSERT INTO shardlake.run_shards VALUES ('65f7c2b0-dea7-4b34-b5e7-1972c21c38ad', 'counted', 'shop_00', 'merged', '{"read": 8, "bytes": 1218, "error": null, "notes": [], "shard": "shop_00", "state": "merged", "merged": 8, "window": {"to": "80", "from": null}, "removed": 0, "seconds": {"raw": 0.001, "plan": 0.009, "merge": 0.007, "shape": 0.055, "stage": 0.022, "extract": 0.782}, "windows": 1, "rejected": 0, "unchanged": 0, "superseded": 0}', NULL, '2026-11-27 02:51:45.34343+00');
INSERT INTO shardlake.run_shards VALUES ('65f7c2b0-dea7-4b34-b5e7-1972c21c38ad', 'counted', 'shop_01', 'merged', '{"read": 8, "bytes": 1218, "error": null, "notes": [], "shard": "shop_01", "state": "merged", "merged": 8, "window": {"to": "56", "from": null}, "removed": 0, "seconds": {"raw": 0.004, "plan": 0.005, "merge": 0.004, "shape": 0.045, "stage": 0.008, "extract": 0.763}, "windows": 1, "rejected": 0, "unchanged": 0, "superseded": 0}', NULL, '2026-11-27 02:51:45.34343+00');
INSERT INTO shardlake.run_shards VALUES ('3bbbd749-71a5-4ab4-b995-c62ab3acae98', 'replaced', 'shop_00', 'merged', '{"read": 2, "bytes": 814, "error": null, "notes": [], "shard": "shop_00", "state": "merged", "merged": 2, "window": {"to": null, "from": null}, "removed": 0, "seconds": {"raw": 0.001, "plan": 0.004, "merge": 0.003, "shape": 0.045, "stage": 0.004, "extract": 0.011}, "windows": 1, "rejected": 0, "unchanged": 0, "superseded": 0}', NULL, '2026-11-27 02:51:48.416968+00');
INSERT INTO shardlake.run_shards VALUES ('3bbbd749-71a5-4ab4-b995-c62ab3acae98', 'replaced', 'shop_01', 'merged', '{"read": 1, "bytes": 802, "error": null, "notes": [], "shard": "shop_01", "state": "merged", "merged": 1, "window": {"to": null, "from": null}, "removed": 0, "seconds": {"raw": 0.002, "plan": 0.008, "merge": 0.009, "shape": 0.062, "stage": 0.005, "extract": 0.017}, "windows": 1, "rejected": 0, "unchanged": 0, "superseded": 0}', NULL, '2026-11-27 02:51:48.416968+00');
INSERT INTO shardlake.run_shards VALUES ('274b6615-c0d5-4006-831f-1d546b076f70', 'replaced', 'shop_00', 'merged', '{"read": 2, "bytes": 814, "error": null, "notes": [], "shard": "shop_00", "state": "merged", "merged": 2, "window": {"to": null, "from": null}, "removed": 0, "seconds": {"raw": 0.001, "plan": 0.007, "merge": 0.029, "shape": 0.035, "stage": 0.01, "extract": 0.006}, "windows": 1, "rejected": 0, "unchanged": 0, "superseded": 0}', NULL, '2026-11-27 02:51:48.674115+00');
INSERT INTO shardlake.run_shards VALUES ('274b6615-c0d5-4006-831f-1d546b076f70', 'replaced', 'shop_01', 'merged', '{"read": 2, "bytes": 820, "error": null, "notes": [], "shard": "shop_01", "state": "merged", "merged": 2, "window": {"to": null, "from": null}, "removed": 0, "seconds": {"raw": 0.001, "plan": 0.008, "merge": 0.025, "shape": 0.039, "stage": 0.008, "extract": 0.012}, "windows": 1, "rejected": 0, "unchanged": 0, "superseded": 0}', NULL, '2026-11-27 02:51:48.674115+00');
INSERT INTO shardlake.run_shards VALUES ('e1da5570-a588-4846-bffd-c9c4ded196b4', 'people', 'shop_00', 'merged', '{"read": 6, "bytes": 1546, "error": null, "notes": [], "shard": "shop_00", "state": "merged", "merged": 6, "window": {"to": "2026-11-27 02:51:48.758480", "from": null}, "removed": 0, "seconds": {"raw": 0.003, "plan": 0.011, "merge": 0.009, "shape": 0.044, "stage": 0.021, "extract": 0.014}, "windows": 1, "rejected": 0, "unchanged": 0, "superseded": 0}', NULL, '2026-11-27 02:51:48.939357+00');
INSERT INTO shardlake.run_shards VALUES ('e1da5570-a588-4846-bffd-c9c4ded196b4', 'people', 'shop_01', 'merged', '{"read": 6, "bytes": 1546, "error": null, "notes": [], "shard": "shop_01", "state": "merged", "merged": 6, "window": {"to": "2026-11-27 02:51:48.764300", "from": null}, "removed": 0, "seconds": {"raw": 0.001, "plan": 0.011, "merge": 0.018, "shape": 0.076, "stage": 0.025, "extract": 0.014}, "windows": 1, "rejected": 0, "unchanged": 0, "superseded": 0}', NULL, '2026-11-27 02:51:48.939357+00');
INSERT INTO shardlake.run_shards VALUES ('83a3216a-c9de-42c5-a4a7-021e1a9b641e', 'people', 'shop_00', 'merged', '{"read": 2, "bytes": 1687, "error": null, "notes": [], "shard": "shop_00", "state": "merged", "merged": 2, "window": {"to": "2026-11-27 02:51:49.019701", "from": "2026-11-27 02:51:48.758480"}, "removed": 2, "seconds": {"raw": 0.002, "plan": 0.006, "merge": 0.013, "shape": 0.043, "stage": 0.012, "extract": 0.009}, "windows": 1, "rejected": 0, "unchanged": 0, "superseded": 0}', NULL, '2026-11-27 02:51:49.146305+00');
INSERT INTO shardlake.run_shards VALUES ('83a3216a-c9de-42c5-a4a7-021e1a9b641e', 'people', 'shop_01', 'merged', '{"read": 1, "bytes": 1653, "error": null, "notes": [], "shard": "shop_01", "state": "merged", "merged": 1, "window": {"to": "2026-11-27 02:51:49.017576", "from": "2026-11-27 02:51:48.764300"}, "removed": 1, "seconds": {"raw": 0.004, "plan": 0.006, "merge": 0.021, "shape": 0.041, "stage": 0.019, "extract": 0.008}, "windows": 1, "rejected": 0, "unchanged": 0, "superseded": 0}', NULL, '2026-11-27 02:51:49.146305+00');
INSERT INTO shardlake.run_shards VALUES ('027acc87-9f3b-45bd-89f5-22d9bd7e129d', 'opened', 'shop_01', 'merged', '{"read": 5, "bytes": 966, "error": null, "notes": [], "shard": "shop_01", "state": "merged", "merged": 5, "window": {"to": "2026-11-27 02:51:49.280197", "from": null}, "removed": 0, "seconds": {"raw": 0.001, "plan": 0.005, "merge": 0.005, "shape": 0.02, "stage": 0.003, "extract": 0.004}, "windows": 1, "rejected": 0, "unchanged": 0, "superseded": 0}', NULL, '2026-11-27 02:51:49.342255+00');

INSERT INTO shardlake.runs VALUES ('52f126ed-ceec-46a0-9623-572a0cc05689', 'orders', '2026-11-27 02:51:37.44742+00', '2026-11-27 02:51:39.207978+00', 'completed', '2/2 shards merged');
INSERT INTO shardlake.runs VALUES ('dab80b12-f86c-447d-964f-51a2ce015934', 'orders', '2026-11-27 02:51:39.361022+00', '2026-11-27 02:51:39.634766+00', 'completed', '2/2 shards merged');
INSERT INTO shardlake.runs VALUES ('95f5b657-90a2-4d8a-8a9a-2558b140f16b', 'scans', '2026-11-27 02:51:41.767377+00', '2026-11-27 02:51:42.826558+00', 'completed', '1/1 shards merged');
INSERT INTO shardlake.runs VALUES ('53ff6cf4-cac8-428d-9d82-3b2b11da3a86', 'scans', '2026-11-27 02:51:42.859158+00', '2026-11-27 02:51:43.041285+00', 'failed', 'RuntimeError: the run was broken off');
INSERT INTO shardlake.runs VALUES ('52bd8bfa-38af-4dd2-90db-a25ed46a12b1', 'scans', '2026-11-27 02:51:43.044439+00', '2026-11-27 02:51:44.223631+00', 'failed', 'RuntimeError: the run was broken off');
INSERT INTO shardlake.runs VALUES ('65f7c2b0-dea7-4b34-b5e7-1972c21c38ad', 'counted', '2026-11-27 02:51:44.289734+00', '2026-11-27 02:51:45.34343+00', 'completed', '2/2 shards merged');
INSERT INTO shardlake.runs VALUES ('191d3432-1c07-4c2c-98fd-d90d70d26c79', 'counted', '2026-11-27 02:51:46.166713+00', NULL, 'running', NULL);
INSERT INTO shardlake.runs VALUES ('3bbbd749-71a5-4ab4-b995-c62ab3acae98', 'replaced', '2026-11-27 02:51:48.2267+00', '2026-11-27 02:51:48.416968+00', 'completed', '2/2 shards merged');
INSERT INTO shardlake.runs VALUES ('274b6615-c0d5-4006-831f-1d546b076f70', 'replaced', '2026-11-27 02:51:48.45664+00', '2026-11-27 02:51:48.674115+00', 'completed', '2/2 shards merged');
INSERT INTO shardlake.runs VALUES ('e1da5570-a588-4846-bffd-c9c4ded196b4', 'people', '2026-11-27 02:51:48.741338+00', '2026-11-27 02:51:48.939357+00', 'completed', '2/2 shards merged');
INSERT INTO shardlake.runs VALUES ('83a3216a-c9de-42c5-a4a7-021e1a9b641e', 'people', '2026-11-27 02:51:49.002957+00', '2026-11-27 02:51:49.146305+00', 'completed', '2/2 shards merged');
INSERT INTO shardlake.runs VALUES ('027acc87-9f3b-45bd-89f5-22d9bd7e129d', 'opened', '2026-11-27 02:51:49.250254+00', '2026-11-27 02:51:49.342255+00', 'completed', '1/1 shards merged');
INSERT INTO shardlake.runs VALUES ('86cadb5c-0cd7-49ef-839d-76e535fc8458', 'opened', '2026-11-27 02:51:50.107357+00', NULL, 'running', NULL);

INSERT INTO shardlake.tombstones VALUES ('people', '[2]', 1795747908.972368, 'shop_00');
INSERT INTO shardlake.tombstones VALUES ('people', '[4]', 1795747908.972368, 'shop_00');
INSERT INTO shardlake.tombstones VALUES ('people', '[103]', 1795747908.997828, 'shop_01');

INSERT INTO shardlake.watched VALUES ('opened', '2026-11-27 02:51:51.455891+00');

INSERT INTO shardlake.watermarks VALUES ('orders', 'shop_00', 'datetime', '2026-11-27 02:51:39.376670', NULL, 'key', NULL, NULL, '2026-11-27 02:51:39.489798+00');
INSERT INTO shardlake.watermarks VALUES ('orders', 'shop_01', 'datetime', '2026-11-27 02:51:39.376625', NULL, 'key', NULL, NULL, '2026-11-27 02:51:39.490289+00');
INSERT INTO shardlake.watermarks VALUES ('scans', 'shop_01', 'datetime', NULL, '2026-11-27 02:51:42.879712', 'cursor', '["2026-11-27 02:51:42.855299", "1100"]', '2026-11-27 02:51:42.815648', '2026-11-27 02:51:42.947494+00');
INSERT INTO shardlake.watermarks VALUES ('scans', 'shop_00', 'datetime', NULL, '2026-11-27 02:51:43.066939', 'key', '["100"]', NULL, '2026-11-27 02:51:44.120832+00');
INSERT INTO shardlake.watermarks VALUES ('counted', 'shop_00', 'int', '1030', NULL, 'key', NULL, NULL, '2026-11-27 02:51:47.923025+00');
INSERT INTO shardlake.watermarks VALUES ('counted', 'shop_01', 'int', '1021', NULL, 'key', NULL, NULL, '2026-11-27 02:51:47.937257+00');
INSERT INTO shardlake.watermarks VALUES ('people', 'shop_00', 'datetime', '2026-11-27 02:51:49.019701', NULL, 'key', NULL, NULL, '2026-11-27 02:51:49.101138+00');
INSERT INTO shardlake.watermarks VALUES ('people', 'shop_01', 'datetime', '2026-11-27 02:51:49.017576', NULL, 'key', NULL, NULL, '2026-11-27 02:51:49.106371+00');
INSERT INTO shardlake.watermarks VALUES ('opened', 'shop_01', 'datetime', '2026-11-27 02:51:50.163854', NULL, 'key', NULL, NULL, '2026-11-27 02:51:50.171124+00');

INSERT INTO shardlake.windows OVERRIDING SYSTEM VALUE VALUES (1, '52f126ed-ceec-46a0-9623-572a0cc05689', 'orders', 'shop_00', 'merged', 'datetime', NULL, '2026-11-27 02:51:37.472700', 'key', NULL, NULL, '2026-11-27', '2026-11-27 02:51:37.838246+00', '2026-11-27 02:51:38.803549+00', 12, 2106, 11, 1, 11, 10, 0, 0, 1, 0, '{"raw": 0.0025, "merge": 0.0206, "shape": 0.0927, "stage": 0.027, "extract": 0.906}', NULL, NULL, NULL);
INSERT INTO shardlake.windows OVERRIDING SYSTEM VALUE VALUES (2, '52f126ed-ceec-46a0-9623-572a0cc05689', 'orders', 'shop_01', 'merged', 'datetime', NULL, '2026-11-27 02:51:37.472668', 'key', NULL, NULL, '2026-11-27', '2026-11-27 02:51:37.840841+00', '2026-11-27 02:51:38.802412+00', 12, 2220, 11, 1, 11, 10, 0, 0, 1, 0, '{"raw": 0.001, "merge": 0.0165, "shape": 0.093, "stage": 0.031, "extract": 0.9308}', NULL, NULL, NULL);
INSERT INTO shardlake.windows OVERRIDING SYSTEM VALUE VALUES (4, 'dab80b12-f86c-447d-964f-51a2ce015934', 'orders', 'shop_00', 'merged', 'datetime', '2026-11-27 02:51:37.472700', '2026-11-27 02:51:39.376670', 'cursor', NULL, NULL, '2026-11-27', '2026-11-27 02:51:39.390891+00', '2026-11-27 02:51:39.489798+00', 4, 2063, 4, 0, 4, 4, 0, 0, 0, 0, '{"raw": 0.0047, "merge": 0.0127, "shape": 0.049, "stage": 0.0086, "extract": 0.02}', NULL, NULL, NULL);
INSERT INTO shardlake.windows OVERRIDING SYSTEM VALUE VALUES (3, 'dab80b12-f86c-447d-964f-51a2ce015934', 'orders', 'shop_01', 'merged', 'datetime', '2026-11-27 02:51:37.472668', '2026-11-27 02:51:39.376625', 'cursor', NULL, NULL, '2026-11-27', '2026-11-27 02:51:39.388068+00', '2026-11-27 02:51:39.490289+00', 3, 2039, 3, 0, 3, 3, 0, 0, 0, 0, '{"raw": 0.0009, "merge": 0.0162, "shape": 0.0614, "stage": 0.006, "extract": 0.0107}', NULL, NULL, NULL);
INSERT INTO shardlake.windows OVERRIDING SYSTEM VALUE VALUES (5, '9a2ec2d5-86a7-4ffc-aff7-657d8df824e8', 'orders', 'shop_00', 'merged', 'datetime', '2026-01-01 00:00:00.000000', '2026-01-02 00:00:00.000000', 'cursor', NULL, NULL, '2026-11-27', '2026-11-27 02:51:39.673599+00', '2026-11-27 02:51:39.717869+00', 1, 2084, 1, 0, 1, 0, 1, 0, 0, 0, '{"raw": 0.0008, "merge": 0.0076, "shape": 0.0228, "stage": 0.003, "extract": 0.0052}', NULL, '9a2ec2d5-86a7-4ffc-aff7-657d8df824e8', 0);
INSERT INTO shardlake.windows OVERRIDING SYSTEM VALUE VALUES (6, '9a2ec2d5-86a7-4ffc-aff7-657d8df824e8', 'orders', 'shop_01', 'merged', 'datetime', '2026-01-01 00:00:00.000000', '2026-01-02 00:00:00.000000', 'cursor', NULL, NULL, '2026-11-27', '2026-11-27 02:51:39.745217+00', '2026-11-27 02:51:39.775411+00', 1, 2084, 1, 0, 1, 0, 1, 0, 0, 0, '{"raw": 0.0009, "merge": 0.0059, "shape": 0.0083, "stage": 0.0033, "extract": 0.0108}', NULL, '9a2ec2d5-86a7-4ffc-aff7-657d8df824e8', 1);
INSERT INTO shardlake.windows OVERRIDING SYSTEM VALUE VALUES (7, '9a2ec2d5-86a7-4ffc-aff7-657d8df824e8', 'orders', 'shop_00', 'merged', 'datetime', '2026-01-02 00:00:00.000000', '2026-01-03 00:00:00.000000', 'cursor', NULL, NULL, '2026-11-27', '2026-11-27 02:51:39.788163+00', '2026-11-27 02:51:39.838728+00', 2, 2112, 2, 0, 2, 0, 2, 0, 0, 0, '{"raw": 0.0008, "merge": 0.0054, "shape": 0.0082, "stage": 0.0103, "extract": 0.0131}', NULL, '9a2ec2d5-86a7-4ffc-aff7-657d8df824e8', 2);
INSERT INTO shardlake.windows OVERRIDING SYSTEM VALUE VALUES (8, '9a2ec2d5-86a7-4ffc-aff7-657d8df824e8', 'orders', 'shop_01', 'merged', 'datetime', '2026-01-02 00:00:00.000000', '2026-01-03 00:00:00.000000', 'cursor', NULL, NULL, '2026-11-27', '2026-11-27 02:51:39.854579+00', '2026-11-27 02:51:39.883929+00', 2, 2112, 2, 0, 2, 0, 2, 0, 0, 0, '{"raw": 0.0009, "merge": 0.004, "shape": 0.0083, "stage": 0.0032, "extract": 0.0086}', NULL, '9a2ec2d5-86a7-4ffc-aff7-657d8df824e8', 3);
INSERT INTO shardlake.windows OVERRIDING SYSTEM VALUE VALUES (9, '9a2ec2d5-86a7-4ffc-aff7-657d8df824e8', 'orders', 'shop_00', 'merged', 'datetime', '2026-01-03 00:00:00.000000', '2026-01-04 00:00:00.000000', 'cursor', NULL, NULL, '2026-11-27', '2026-11-27 02:51:39.915989+00', '2026-11-27 02:51:39.966288+00', 1, 2072, 1, 0, 1, 0, 1, 0, 0, 0, '{"raw": 0.0017, "merge": 0.0052, "shape": 0.0091, "stage": 0.0083, "extract": 0.0123}', NULL, '9a2ec2d5-86a7-4ffc-aff7-657d8df824e8', 4);
INSERT INTO shardlake.windows OVERRIDING SYSTEM VALUE VALUES (10, '9a2ec2d5-86a7-4ffc-aff7-657d8df824e8', 'orders', 'shop_01', 'merged', 'datetime', '2026-01-03 00:00:00.000000', '2026-01-04 00:00:00.000000', 'cursor', NULL, NULL, '2026-11-27', '2026-11-27 02:51:39.977761+00', '2026-11-27 02:51:40.010444+00', 1, 2072, 1, 0, 1, 0, 1, 0, 0, 0, '{"raw": 0.001, "merge": 0.0066, "shape": 0.01, "stage": 0.0032, "extract": 0.0106}', NULL, '9a2ec2d5-86a7-4ffc-aff7-657d8df824e8', 5);
INSERT INTO shardlake.windows OVERRIDING SYSTEM VALUE VALUES (11, '76db8819-5e54-40b8-aa73-f1e92e32a0b3', 'orders', 'shop_00', 'merged', 'datetime', '2026-01-01 00:00:00.000000', '2026-01-02 00:00:00.000000', 'cursor', NULL, NULL, '2026-11-27', '2026-11-27 02:51:40.182033+00', '2026-11-27 02:51:40.235791+00', 1, 2084, 1, 0, 1, 0, 1, 0, 0, 0, '{"raw": 0.0014, "merge": 0.0044, "shape": 0.025, "stage": 0.0068, "extract": 0.0095}', NULL, '76db8819-5e54-40b8-aa73-f1e92e32a0b3', 0);
INSERT INTO shardlake.windows OVERRIDING SYSTEM VALUE VALUES (12, '76db8819-5e54-40b8-aa73-f1e92e32a0b3', 'orders', 'shop_01', 'merged', 'datetime', '2026-01-01 00:00:00.000000', '2026-01-02 00:00:00.000000', 'cursor', NULL, NULL, '2026-11-27', '2026-11-27 02:51:40.246904+00', '2026-11-27 02:51:40.298379+00', 1, 2084, 1, 0, 1, 0, 1, 0, 0, 0, '{"raw": 0.0014, "merge": 0.006, "shape": 0.0263, "stage": 0.0041, "extract": 0.0053}', NULL, '76db8819-5e54-40b8-aa73-f1e92e32a0b3', 1);
INSERT INTO shardlake.windows OVERRIDING SYSTEM VALUE VALUES (13, '76db8819-5e54-40b8-aa73-f1e92e32a0b3', 'orders', 'shop_00', 'merged', 'datetime', '2026-01-02 00:00:00.000000', '2026-01-03 00:00:00.000000', 'cursor', NULL, NULL, '2026-11-27', '2026-11-27 02:51:40.312522+00', '2026-11-27 02:51:40.33899+00', 2, 2112, 2, 0, 2, 0, 2, 0, 0, 0, '{"raw": 0.0018, "merge": 0.0039, "shape": 0.0087, "stage": 0.0038, "extract": 0.0054}', NULL, '76db8819-5e54-40b8-aa73-f1e92e32a0b3', 2);
INSERT INTO shardlake.windows OVERRIDING SYSTEM VALUE VALUES (14, '76db8819-5e54-40b8-aa73-f1e92e32a0b3', 'orders', 'shop_01', 'extracted', 'datetime', '2026-01-02 00:00:00.000000', '2026-01-03 00:00:00.000000', 'cursor', NULL, NULL, '2026-11-27', '2026-11-27 02:51:40.349001+00', NULL, 2, 2112, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '{"raw": 0.0009, "extract": 0.007}', NULL, '76db8819-5e54-40b8-aa73-f1e92e32a0b3', 3);
INSERT INTO shardlake.windows OVERRIDING SYSTEM VALUE VALUES (15, '999fbc87-1f35-4aaa-85bb-ec286e32dfe8', 'orders', 'shop_00', 'merged', 'datetime', '2026-01-02 00:00:00.000000', '2026-01-04 00:00:00.000000', 'cursor', NULL, NULL, '2026-11-27', '2026-11-27 02:51:40.562399+00', '2026-11-27 02:51:41.633948+00', 3, 2138, 3, 0, 3, 0, 3, 0, 0, 0, '{"raw": 0.0019, "merge": 0.0054, "shape": 0.0323, "stage": 0.0079, "extract": 1.0222}', NULL, '999fbc87-1f35-4aaa-85bb-ec286e32dfe8', 0);
INSERT INTO shardlake.windows OVERRIDING SYSTEM VALUE VALUES (16, '999fbc87-1f35-4aaa-85bb-ec286e32dfe8', 'orders', 'shop_01', 'abandoned', 'datetime', '2026-01-02 00:00:00.000000', '2026-01-04 00:00:00.000000', 'cursor', NULL, NULL, '2026-11-27', '2026-11-27 02:51:41.64832+00', NULL, 3, 2138, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '{"raw": 0.0026, "extract": 0.0179}', NULL, '999fbc87-1f35-4aaa-85bb-ec286e32dfe8', 1);
INSERT INTO shardlake.windows OVERRIDING SYSTEM VALUE VALUES (17, '95f5b657-90a2-4d8a-8a9a-2558b140f16b', 'scans', 'shop_01', 'merged', 'datetime', NULL, '2026-11-27 02:51:41.782041', 'key', NULL, '["1100"]', '2026-11-27', '2026-11-27 02:51:41.810397+00', '2026-11-27 02:51:42.584786+00', 100, 1457, 100, 0, 100, 100, 0, 0, 0, 0, '{"raw": 0.0018, "merge": 0.016, "shape": 0.0841, "stage": 0.0272, "extract": 0.7265}', NULL, NULL, NULL);
INSERT INTO shardlake.windows OVERRIDING SYSTEM VALUE VALUES (18, '95f5b657-90a2-4d8a-8a9a-2558b140f16b', 'scans', 'shop_01', 'merged', 'datetime', NULL, '2026-11-27 02:51:41.782041', 'key', '["1100"]', NULL, '2026-11-27', '2026-11-27 02:51:42.743713+00', '2026-11-27 02:51:42.802658+00', 30, 1381, 30, 0, 30, 30, 0, 0, 0, 0, '{"raw": 0.0049, "merge": 0.0091, "shape": 0.0152, "stage": 0.0075, "extract": 0.0077}', NULL, NULL, NULL);
INSERT INTO shardlake.windows OVERRIDING SYSTEM VALUE VALUES (19, '53ff6cf4-cac8-428d-9d82-3b2b11da3a86', 'scans', 'shop_01', 'merged', 'datetime', '2026-11-27 02:51:42.815648', '2026-11-27 02:51:42.879712', 'cursor', NULL, '["2026-11-27 02:51:42.855299", "1100"]', '2026-11-27', '2026-11-27 02:51:42.887658+00', '2026-11-27 02:51:42.947494+00', 100, 1392, 100, 0, 100, 100, 0, 0, 0, 0, '{"raw": 0.0013, "merge": 0.0059, "shape": 0.0283, "stage": 0.004, "extract": 0.0098}', NULL, NULL, NULL);
INSERT INTO shardlake.windows OVERRIDING SYSTEM VALUE VALUES (20, '52bd8bfa-38af-4dd2-90db-a25ed46a12b1', 'scans', 'shop_00', 'merged', 'datetime', NULL, '2026-11-27 02:51:43.066939', 'key', NULL, '["100"]', '2026-11-27', '2026-11-27 02:51:43.103428+00', '2026-11-27 02:51:44.120832+00', 100, 1488, 100, 0, 100, 100, 0, 0, 0, 0, '{"raw": 0.0017, "merge": 0.0033, "shape": 0.0206, "stage": 0.0183, "extract": 0.9943}', NULL, NULL, NULL);
INSERT INTO shardlake.windows OVERRIDING SYSTEM VALUE VALUES (21, '52bd8bfa-38af-4dd2-90db-a25ed46a12b1', 'scans', 'shop_00', 'extracted', 'datetime', NULL, '2026-11-27 02:51:43.066939', 'key', '["100"]', '["200"]', '2026-11-27', '2026-11-27 02:51:44.16835+00', NULL, 100, 1489, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '{"raw": 0.0033, "extract": 0.0305}', NULL, NULL, NULL);
INSERT INTO shardlake.windows OVERRIDING SYSTEM VALUE VALUES (23, '65f7c2b0-dea7-4b34-b5e7-1972c21c38ad', 'counted', 'shop_00', 'merged', 'int', NULL, '80', 'key', NULL, NULL, '2026-11-27', '2026-11-27 02:51:44.344513+00', '2026-11-27 02:51:45.151342+00', 8, 1218, 8, 0, 8, 8, 0, 0, 0, 0, '{"raw": 0.0008, "merge": 0.007, "shape": 0.0554, "stage": 0.0223, "extract": 0.7825}', NULL, NULL, NULL);
INSERT INTO shardlake.windows OVERRIDING SYSTEM VALUE VALUES (30, 'e1da5570-a588-4846-bffd-c9c4ded196b4', 'people', 'shop_00', 'merged', 'datetime', NULL, '2026-11-27 02:51:48.758480', 'key', NULL, NULL, '2026-11-27', '2026-11-27 02:51:48.767784+00', '2026-11-27 02:51:48.89714+00', 6, 1546, 6, 0, 6, 6, 0, 0, 0, 0, '{"raw": 0.0025, "merge": 0.0089, "shape": 0.0436, "stage": 0.0212, "extract": 0.0139}', NULL, NULL, NULL);
INSERT INTO shardlake.windows OVERRIDING SYSTEM VALUE VALUES (33, '83a3216a-c9de-42c5-a4a7-021e1a9b641e', 'people', 'shop_01', 'merged', 'datetime', '2026-11-27 02:51:48.764300', '2026-11-27 02:51:49.017576', 'cursor', NULL, NULL, '2026-11-27', '2026-11-27 02:51:49.024088+00', '2026-11-27 02:51:49.106371+00', 1, 1653, 1, 0, 1, 1, 0, 0, 0, 1, '{"raw": 0.0039, "merge": 0.0206, "shape": 0.041, "stage": 0.019, "extract": 0.0082}', NULL, NULL, NULL);
INSERT INTO shardlake.windows OVERRIDING SYSTEM VALUE VALUES (22, '65f7c2b0-dea7-4b34-b5e7-1972c21c38ad', 'counted', 'shop_01', 'merged', 'int', NULL, '56', 'key', NULL, NULL, '2026-11-27', '2026-11-27 02:51:44.342382+00', '2026-11-27 02:51:45.116488+00', 8, 1218, 8, 0, 8, 8, 0, 0, 0, 0, '{"raw": 0.0045, "merge": 0.0043, "shape": 0.0449, "stage": 0.0078, "extract": 0.7626}', NULL, NULL, NULL);
INSERT INTO shardlake.windows OVERRIDING SYSTEM VALUE VALUES (24, '191d3432-1c07-4c2c-98fd-d90d70d26c79', 'counted', 'shop_00', 'merged', 'int', '80', '1030', 'cursor', NULL, NULL, '2026-11-27', '2026-11-27 02:51:46.619148+00', '2026-11-27 02:51:47.923025+00', 3, 1191, 3, 0, 3, 3, 0, 0, 0, 0, '{"raw": 0.006, "merge": 0.0119, "shape": 0.149, "stage": 0.0093, "extract": 1.0951}', NULL, NULL, NULL);
INSERT INTO shardlake.windows OVERRIDING SYSTEM VALUE VALUES (25, '191d3432-1c07-4c2c-98fd-d90d70d26c79', 'counted', 'shop_01', 'merged', 'int', '56', '1021', 'cursor', NULL, NULL, '2026-11-27', '2026-11-27 02:51:46.623322+00', '2026-11-27 02:51:47.937257+00', 3, 1191, 3, 0, 3, 3, 0, 0, 0, 0, '{"raw": 0.0029, "merge": 0.0056, "shape": 0.1018, "stage": 0.0058, "extract": 1.1124}', NULL, NULL, NULL);
INSERT INTO shardlake.windows OVERRIDING SYSTEM VALUE VALUES (27, '3bbbd749-71a5-4ab4-b995-c62ab3acae98', 'replaced', 'shop_00', 'merged', NULL, NULL, NULL, 'key', NULL, NULL, '2026-11-27', '2026-11-27 02:51:48.249551+00', '2026-11-27 02:51:48.270539+00', 2, 814, 2, 0, 2, 2, 0, 0, 0, 0, '{"raw": 0.0008, "merge": 0.0031, "shape": 0.0445, "stage": 0.0036, "extract": 0.0108}', NULL, NULL, NULL);
INSERT INTO shardlake.windows OVERRIDING SYSTEM VALUE VALUES (29, '274b6615-c0d5-4006-831f-1d546b076f70', 'replaced', 'shop_00', 'merged', NULL, NULL, NULL, 'key', NULL, NULL, '2026-11-27', '2026-11-27 02:51:48.490253+00', '2026-11-27 02:51:48.514173+00', 2, 814, 2, 0, 2, 2, 0, 0, 0, 0, '{"raw": 0.0007, "merge": 0.0291, "shape": 0.0354, "stage": 0.0098, "extract": 0.0062}', NULL, NULL, NULL);
INSERT INTO shardlake.windows OVERRIDING SYSTEM VALUE VALUES (28, '274b6615-c0d5-4006-831f-1d546b076f70', 'replaced', 'shop_01', 'merged', NULL, NULL, NULL, 'key', NULL, NULL, '2026-11-27', '2026-11-27 02:51:48.488847+00', '2026-11-27 02:51:48.522956+00', 2, 820, 2, 0, 2, 2, 0, 0, 0, 0, '{"raw": 0.0009, "merge": 0.0247, "shape": 0.0394, "stage": 0.008, "extract": 0.0123}', NULL, NULL, NULL);
INSERT INTO shardlake.windows OVERRIDING SYSTEM VALUE VALUES (31, 'e1da5570-a588-4846-bffd-c9c4ded196b4', 'people', 'shop_01', 'merged', 'datetime', NULL, '2026-11-27 02:51:48.764300', 'key', NULL, NULL, '2026-11-27', '2026-11-27 02:51:48.771599+00', '2026-11-27 02:51:48.903735+00', 6, 1546, 6, 0, 6, 6, 0, 0, 0, 0, '{"raw": 0.001, "merge": 0.018, "shape": 0.0765, "stage": 0.0251, "extract": 0.0144}', NULL, NULL, NULL);
INSERT INTO shardlake.windows OVERRIDING SYSTEM VALUE VALUES (32, '83a3216a-c9de-42c5-a4a7-021e1a9b641e', 'people', 'shop_00', 'merged', 'datetime', '2026-11-27 02:51:48.758480', '2026-11-27 02:51:49.019701', 'cursor', NULL, NULL, '2026-11-27', '2026-11-27 02:51:49.022887+00', '2026-11-27 02:51:49.101138+00', 2, 1687, 2, 0, 2, 2, 0, 0, 0, 2, '{"raw": 0.0017, "merge": 0.0126, "shape": 0.0433, "stage": 0.0115, "extract": 0.0095}', NULL, NULL, NULL);
INSERT INTO shardlake.windows OVERRIDING SYSTEM VALUE VALUES (34, '027acc87-9f3b-45bd-89f5-22d9bd7e129d', 'opened', 'shop_01', 'merged', 'datetime', NULL, '2026-11-27 02:51:49.280197', 'key', NULL, NULL, '2026-11-27', '2026-11-27 02:51:49.28785+00', '2026-11-27 02:51:49.299324+00', 5, 966, 5, 0, 5, 5, 0, 0, 0, 0, '{"raw": 0.0008, "merge": 0.0049, "shape": 0.0201, "stage": 0.0035, "extract": 0.0045}', NULL, NULL, NULL);
INSERT INTO shardlake.windows OVERRIDING SYSTEM VALUE VALUES (26, '3bbbd749-71a5-4ab4-b995-c62ab3acae98', 'replaced', 'shop_01', 'merged', NULL, NULL, NULL, 'key', NULL, NULL, '2026-11-27', '2026-11-27 02:51:48.248375+00', '2026-11-27 02:51:48.273056+00', 1, 802, 1, 0, 1, 1, 0, 0, 0, 0, '{"raw": 0.0015, "merge": 0.009, "shape": 0.0617, "stage": 0.0049, "extract": 0.0168}', NULL, NULL, NULL);
INSERT INTO shardlake.windows OVERRIDING SYSTEM VALUE VALUES (35, '86cadb5c-0cd7-49ef-839d-76e535fc8458', 'opened', 'shop_00', 'open', 'datetime', NULL, '2026-11-27 02:51:50.163943', 'key', NULL, NULL, '2026-11-27', '2026-11-27 02:51:50.530421+00', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '{}', NULL, NULL, NULL);

SELECT pg_catalog.setval('shardlake.alarms_alarm_id_seq', 2, true);

SELECT pg_catalog.setval('shardlake.lake_commits_commit_id_seq', 13, true);

SELECT pg_catalog.setval('shardlake.rejects_reject_id_seq', 5, true);

SELECT pg_catalog.setval('shardlake.windows_window_id_seq', 35, true);

ALTER TABLE ONLY analytics.counted
    ADD CONSTRAINT counted_pkey PRIMARY KEY (id);

ALTER TABLE ONLY analytics.opened
    ADD CONSTRAINT opened_pkey PRIMARY KEY (id);

ALTER TABLE ONLY analytics.orders
    ADD CONSTRAINT orders_pkey PRIMARY KEY (id);

ALTER TABLE ONLY analytics.people
    ADD CONSTRAINT people_pkey PRIMARY KEY (id);

ALTER TABLE ONLY analytics.replaced
    ADD CONSTRAINT replaced__new_274b66_pkey PRIMARY KEY (_shard, code);

ALTER TABLE ONLY analytics.scans
    ADD CONSTRAINT scans_pkey PRIMARY KEY (id);

ALTER TABLE ONLY shardlake.alarms
    ADD CONSTRAINT alarms_pkey PRIMARY KEY (alarm_id);

ALTER TABLE ONLY shardlake.backfill_slices
    ADD CONSTRAINT backfill_slices_pkey PRIMARY KEY (backfill_id, slice);

ALTER TABLE ONLY shardlake.backfills
    ADD CONSTRAINT backfills_pkey PRIMARY KEY (backfill_id);

ALTER TABLE ONLY shardlake.contracts
    ADD CONSTRAINT contracts_pkey PRIMARY KEY (view);

ALTER TABLE ONLY shardlake.files
    ADD CONSTRAINT files_pkey PRIMARY KEY (window_id, key);

ALTER TABLE ONLY shardlake.lake_commits
    ADD CONSTRAINT lake_commits_pkey PRIMARY KEY (commit_id);

ALTER TABLE ONLY shardlake.lake_files
    ADD CONSTRAINT lake_files_pkey PRIMARY KEY (key);

ALTER TABLE ONLY shardlake.lake_tables
    ADD CONSTRAINT lake_tables_pkey PRIMARY KEY (database, name);

ALTER TABLE ONLY shardlake.lake_windows
    ADD CONSTRAINT lake_windows_pkey PRIMARY KEY (view, layout, window_id);

ALTER TABLE ONLY shardlake.migrations
    ADD CONSTRAINT migrations_pkey PRIMARY KEY (version);

ALTER TABLE ONLY shardlake.rejects
    ADD CONSTRAINT rejects_pkey PRIMARY KEY (reject_id);

ALTER TABLE ONLY shardlake.run_shards
    ADD CONSTRAINT run_shards_pkey PRIMARY KEY (run_id, shard);

ALTER TABLE ONLY shardlake.runs
    ADD CONSTRAINT runs_pkey PRIMARY KEY (run_id);

ALTER TABLE ONLY shardlake.tombstones
    ADD CONSTRAINT tombstones_pkey PRIMARY KEY (view, unit_key);

ALTER TABLE ONLY shardlake.watched
    ADD CONSTRAINT watched_pkey PRIMARY KEY (view);

ALTER TABLE ONLY shardlake.watermarks
    ADD CONSTRAINT watermarks_pkey PRIMARY KEY (view, shard);

ALTER TABLE ONLY shardlake.windows
    ADD CONSTRAINT windows_pkey PRIMARY KEY (window_id);

CREATE UNIQUE INDEX alarms_view_shard_kind_idx ON shardlake.alarms USING btree (view, shard, kind) WHERE (ended_at IS NULL);

CREATE INDEX backfills_view_started_at_idx ON shardlake.backfills USING btree (view, started_at DESC);

CREATE UNIQUE INDEX lake_commits_view_layout_idx ON shardlake.lake_commits USING btree (view, layout) WHERE (status = 'open'::text);

CREATE INDEX lake_files_commit_id_idx ON shardlake.lake_files USING btree (commit_id);

CREATE INDEX lake_files_view_layout_idx ON shardlake.lake_files USING btree (view, layout);

CREATE INDEX lake_windows_commit_id_idx ON shardlake.lake_windows USING btree (commit_id);

CREATE INDEX rejects_view_shard_idx ON shardlake.rejects USING btree (view, shard) WHERE (read_again_at IS NULL);

CREATE INDEX rejects_view_shard_reject_id_idx ON shardlake.rejects USING btree (view, shard, reject_id);

CREATE INDEX rejects_window_id_idx ON shardlake.rejects USING btree (window_id);

CREATE INDEX run_shards_view_shard_ended_at_idx ON shardlake.run_shards USING btree (view, shard, ended_at DESC);

CREATE INDEX runs_view_started_at_idx ON shardlake.runs USING btree (view, started_at DESC);

CREATE INDEX windows_of_backfill_idx ON shardlake.windows USING btree (backfill_id, slice, window_id) WHERE (backfill_id IS NOT NULL);

CREATE UNIQUE INDEX windows_unfinished_idx ON shardlake.windows USING btree (view, shard) WHERE ((status = ANY (ARRAY['open'::text, 'extracted'::text])) AND (backfill_id IS NULL));

CREATE UNIQUE INDEX windows_unfinished_slice_idx ON shardlake.windows USING btree (backfill_id, slice) WHERE ((status = ANY (ARRAY['open'::text, 'extracted'::text])) AND (backfill_id IS NOT NULL));

CREATE INDEX windows_view_shard_window_id_idx ON shardlake.windows USING btree (view, shard, window_id);

ALTER TABLE ONLY shardlake.backfill_slices
    ADD CONSTRAINT backfill_slices_backfill_id_fkey FOREIGN KEY (backfill_id) REFERENCES shardlake.backfills(backfill_id) ON DELETE CASCADE;

ALTER TABLE ONLY shardlake.files
    ADD CONSTRAINT files_window_id_fkey FOREIGN KEY (window_id) REFERENCES shardlake.windows(window_id) ON DELETE CASCADE;

ALTER TABLE ONLY shardlake.lake_files
    ADD CONSTRAINT lake_files_commit_id_fkey FOREIGN KEY (commit_id) REFERENCES shardlake.lake_commits(commit_id) ON DELETE CASCADE;

ALTER TABLE ONLY shardlake.lake_windows
    ADD CONSTRAINT lake_windows_commit_id_fkey FOREIGN KEY (commit_id) REFERENCES shardlake.lake_commits(commit_id) ON DELETE CASCADE;

ALTER TABLE ONLY shardlake.run_shards
    ADD CONSTRAINT run_shards_run_id_fkey FOREIGN KEY (run_id) REFERENCES shardlake.runs(run_id) ON DELETE CASCADE;

ALTER TABLE ONLY shardlake.windows
    ADD CONSTRAINT windows_backfill_id_slice_fkey FOREIGN KEY (backfill_id, slice) REFERENCES shardlake.backfill_slices(backfill_id, slice);
