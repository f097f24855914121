-- Whether a table holds nothing that a new table in its place would not have: only the view's columns, a primary key and plain
-- indexes. Rights and the comment are carried over, and are not asked about here. What is not known to this list makes it false.
SELECT c.relkind = 'r' AND c.relpersistence = 'p' AND NOT c.relispartition AND c.reloftype = 0 AND c.reltablespace = 0
    AND c.reloptions IS NULL AND NOT c.relrowsecurity AND NOT c.relforcerowsecurity AND c.relreplident = 'd'
    AND pg_get_userbyid(c.relowner) = current_user
    AND c.relam = (SELECT oid FROM pg_am WHERE amname = current_setting('default_table_access_method'))
    AND NOT EXISTS (SELECT FROM pg_class t WHERE t.oid = c.reltoastrelid AND t.reloptions IS NOT NULL)
    AND NOT EXISTS (SELECT FROM pg_inherits WHERE c.oid IN (inhrelid, inhparent))
    AND NOT EXISTS (SELECT FROM pg_publication_tables p WHERE p.schemaname = n.nspname AND p.tablename = c.relname)
    AND NOT EXISTS (SELECT FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND (NOT a.attname = ANY(%(columns)s::text[])
            OR a.atthasdef OR a.attidentity <> '' OR a.attgenerated <> '' OR a.attacl IS NOT NULL OR a.attoptions IS NOT NULL
            OR coalesce(a.attstattarget, -1) <> -1 OR a.attstorage <> t.typstorage OR a.attcollation <> t.typcollation
            OR coalesce(to_jsonb(a) ->> 'attcompression', '') <> ''))
    AND NOT EXISTS (SELECT FROM pg_constraint k
        WHERE k.confrelid = c.oid OR k.conrelid = c.oid AND (k.contype NOT IN ('p', 'n') OR k.condeferrable))
    AND (SELECT count(*) = count(DISTINCT indkey::text) FROM pg_index WHERE indrelid = c.oid)
    AND NOT EXISTS (SELECT FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid CROSS JOIN LATERAL (
            SELECT ' USING btree (' || string_agg(quote_ident(a.attname), ', ' ORDER BY k.place) || ')' AS columns
            FROM unnest(i.indkey) WITH ORDINALITY k(attnum, place) JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum) s
        WHERE i.indrelid = c.oid AND (i.indexprs IS NOT NULL OR NOT i.indisvalid OR i.indisclustered OR i.indisreplident OR x.reltablespace <> 0
            OR right(pg_get_indexdef(x.oid), length(s.columns)) IS DISTINCT FROM s.columns
            OR obj_description(x.oid, 'pg_class') IS NOT NULL))
    AND NOT EXISTS (SELECT FROM pg_description WHERE classoid = 'pg_class'::regclass AND objoid = c.oid AND objsubid > 0)
    AND NOT EXISTS (SELECT FROM pg_constraint k JOIN pg_description d ON d.classoid = 'pg_constraint'::regclass AND d.objoid = k.oid
        WHERE k.conrelid = c.oid)
    AND NOT EXISTS (SELECT FROM pg_seclabel WHERE classoid = 'pg_class'::regclass AND objoid = c.oid)
    -- triggers, rules, policies, views, functions, sequences, statistics, publications and foreign keys all depend on the table
    AND NOT EXISTS (SELECT FROM pg_depend d LEFT JOIN pg_class x ON d.classid = 'pg_class'::regclass AND x.oid = d.objid
        WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid AND coalesce(x.relkind NOT IN ('i', 't'), true)
            AND d.classid <> 'pg_constraint'::regclass AND NOT (d.classid = 'pg_type'::regclass AND d.deptype = 'i'))
    AND NOT EXISTS (SELECT FROM pg_depend d JOIN pg_type t ON t.oid = c.reltype
        WHERE d.refclassid = 'pg_type'::regclass AND d.refobjid IN (t.oid, t.typarray) AND d.deptype <> 'i')
    AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = c.oid AND deptype IN ('e', 'x'))
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = %(table)s::regclass
