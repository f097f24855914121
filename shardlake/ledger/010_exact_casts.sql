-- Arrays with bounds of their own ([0:1]={7,8}), which are no JSON, dates past the years of timestamp, and reasons that say what to do.
CREATE OR REPLACE FUNCTION shardlake.text_array(value text) RETURNS text[] IMMUTABLE LANGUAGE sql AS $$
    SELECT CASE WHEN ltrim(value) LIKE '[%' AND value !~ '^\s*(\[[+-]?\d+:[+-]?\d+\])+\s*='
        THEN ARRAY(SELECT e.item FROM jsonb_array_elements_text(value::jsonb) WITH ORDINALITY e(item, place) ORDER BY e.place)
        ELSE value::text[] END
$$;

-- Why a text is not exactly a value of a type; NULL when it is. Casts that Postgres does silently (rounding, cutting,
-- dropping an offset, reading 'now') are reasons here, since a row must arrive as it was.
CREATE OR REPLACE FUNCTION shardlake.cast_error(value text, target text) RETURNS text STABLE LANGUAGE plpgsql AS $$
DECLARE
    base text := regexp_replace(target, '[([].*', '');
    holds boolean;
BEGIN
    IF value IS NULL THEN
        RETURN NULL;
    END IF;
    IF base IN ('timestamp', 'timestamptz', 'date') AND value ~ '^\s*(\d{4}-00-\d\d|\d{4}-\d\d-00)' THEN
        RETURN 'is not ' || target || CASE WHEN value ~ '^\s*0000-00-00'
            THEN ': it is a zero date, of which NULLIF(col, ''0000-00-00'') in extract.sql makes NULL'
            ELSE ': its month or day is zero; convert it in extract.sql' END;
    END IF;
    IF base IN ('timestamp', 'timestamptz', 'date', 'time', 'interval') THEN
        IF value ~* '^\s*(now|today|tomorrow|yesterday|epoch|allballs)' OR value !~ '[0-9]' AND value !~* 'infinity' THEN
            RETURN 'is not ' || target;
        END IF;
        IF value ~ '\.\d{6}\d*[1-9]' THEN
            RETURN 'has more digits than the microseconds of ' || target;
        END IF;
        IF base IN ('timestamp', 'date', 'time') AND value ~* '[0-9](z|\s*[+-]\d\d(:?\d\d)?|\s+(?!bc$)[a-z].*)$' AND value ~ ':' THEN
            RETURN 'has a time zone that ' || target || ' would drop; declare ' || CASE WHEN base = 'time' THEN 'text' ELSE 'timestamptz' END;
        END IF;
        IF base = 'time' AND value ~ '-.*:' THEN
            RETURN 'has more than a time of day; declare interval';
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
    IF base = 'date' AND value ~ '^\s*\d{5,}-\d\d?-\d\d?\s*$' THEN  -- past the years of timestamp, with which a time of day is looked for
        holds := value::date IS NOT NULL;
        RETURN NULL;
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
    WHEN numeric_value_out_of_range THEN
        RETURN 'is not ' || target || CASE WHEN base = 'jsonb'
            THEN ': a number in it has more digits than numeric''s 131072 before and 16383 behind the point' ELSE '' END;
    WHEN data_exception OR invalid_text_representation OR program_limit_exceeded
        OR statement_too_complex OR character_not_in_repertoire OR untranslatable_character OR feature_not_supported THEN
        RETURN 'is not ' || target;
END
$$;
