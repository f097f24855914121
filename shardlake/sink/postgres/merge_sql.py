"""The statements of a merge, as text. `s` is the staging table, `m` the target; values travel as text until the cast."""

from dataclasses import dataclass
from inspect import cleandoc

from shardlake.ledger.sinks import WAREHOUSE
from shardlake.quoting import ansi, ansi_list, postgres_text
from shardlake.rows.cast import cast
from shardlake.view.columns import TargetColumn
from shardlake.view.types import Type
from shardlake.view.view import View


@dataclass(frozen=True, slots=True)
class MergeSql:
    """The merge of one window of a view from its table `staging` into `into` (the target, or a replace's new table).

    `since` are the ranges of versions that were read after this window was, and are merged already: a backfill and a
    regular run read one shard beside each other. At the same version what was read later stays.
    """

    view: View
    window_id: int
    shard: str
    columns: tuple[TargetColumn, ...]
    into: str
    staging: str
    zone: str = "UTC"
    since: tuple[tuple[str | None, str | None], ...] = ()
    of_backfill: bool = False

    def _type(self, name: str) -> Type:
        return next(c.type for c in self.columns if c.name == name)

    def _value(self, name: str, prefix: str = "s.") -> str:
        return postgres_text(self.shard) if name == "_shard" else cast(self._type(name), prefix + ansi(name))

    def _newer(self, row: str, differs: str) -> str:
        """Whether a staged row, which has its version at `row`, replaces `m`: a later version; at the same version another row (as
        `differs` says) of the same shard, or of a shard that sorts later, so that the outcome does not depend on the order in
        which shards come. A table that is replaced has no versions: of several shards the one that sorts last has the key.
        """
        shard = postgres_text(self.shard)
        if self.view.warehouse.write != "merge":
            return f"{shard} > m._shard" if self.view.warehouse.write == "replace" else "false"
        version, mine = self._versions(row)
        kept = f" AND NOT (m._shard = {shard} AND {self._read_since(version)})" if self.since else ""
        return (
            f"({version} > {mine} OR ({mine} IS NULL AND {version} IS NOT NULL)"
            f" OR ({version} IS NOT DISTINCT FROM {mine} AND {shard} >= m._shard{kept} AND {differs}))"
        )

    def _older(self, row: str) -> str:
        """Whether `m` is a newer version than a staged row."""
        shard = postgres_text(self.shard)
        if self.view.warehouse.write != "merge":
            return f"m._shard > {shard}"
        version, mine = self._versions(row)
        return (
            f"({mine} > {version} OR ({version} IS NULL AND {mine} IS NOT NULL)"
            f" OR ({mine} IS NOT DISTINCT FROM {version} AND m._shard > {shard}))"
        )

    def _versions(self, row: str) -> tuple[str, str]:
        """A staged row's version, cast already, and the target's."""
        name = str(self.view.version_column)
        return row + self._early[name], f"m.{ansi(name)}"

    def _differs(self) -> str:
        """Whether a staged row has another value than `m` beside key and version, which are equal here."""
        pairs = [f"{self._value(c.name)} IS DISTINCT FROM m.{ansi(c.name)}" for c in self.columns if c.name not in self._early]
        return f"({' OR '.join(pairs)})"

    @property
    def _early(self) -> dict[str, str]:
        """The columns that are cast once, for the join: the key's and the version, each with the name that its value has then."""
        names = dict.fromkeys((*self.view.key, self.view.version_column))
        return {n: f"_shardlake_early{i}" for i, n in enumerate(names) if n not in ("_shard", None)}

    def _read_since(self, value: str) -> str:
        """Whether a version lies in one of the ranges that were read since."""
        kind = self._type(str(self.view.version_column))
        ranges = []
        for lower, upper in self.since:
            edges = [
                f"{value} {sign} {cast(kind, postgres_text(edge))}" for sign, edge in ((">", lower), ("<=", upper)) if edge is not None
            ]
            ranges.append(f"({' AND '.join(edges) or 'true'})")
        return f"coalesce({' OR '.join(ranges)}, false)"

    def upsert(self) -> str:
        """Give every staged row its verdict, write the new and the newer, and return what `Verdicts` has, in its order.

        Keys and versions are cast once, and the other values where they are needed. A target's row is looked up by its key: Postgres
        knows nothing of the staged rows, and would read the whole target instead. `ctid` says where a row stands; since another
        transaction may move it meanwhile, the version is compared once more as it is written.
        """
        early = self._early
        casts = "".join(f", {self._value(n)} AS {alias}" for n, alias in early.items())
        aliases = "".join(f", s.{alias}" for alias in early.values())
        known = {n: f"w.{alias}" for n, alias in early.items()}
        names = tuple(c.name for c in self.columns)
        looked = ", ".join(f"m.{ansi(n)}" for n in names)
        same = " AND ".join(f"m.{ansi(k)} = {'s.' + early[k] if k in early else postgres_text(self.shard)}" for k in self.view.key)
        values = {n: known.get(n) or self._value(n) for n in names}
        update = [n for n in names if n not in self.view.key]
        changes = ", ".join(f"{ansi(n)} = {values[n]}" for n in update)
        written = (
            f"UPDATE {self.into} m SET {changes} FROM verdicts w JOIN {self.staging} s ON s.ctid = w.place"
            f" WHERE w.verdict = 'newer' AND m.ctid = w.met AND m.tableoid = w.met_in AND {self._newer('w.', 'true')} RETURNING 1"
            if update and self.view.warehouse.write != "append"
            else "SELECT 1 WHERE false"
        )
        return cleandoc(f"""
            WITH verdicts AS MATERIALIZED (
                SELECT s._shardlake_place AS place, m.ctid AS met, m.tableoid AS met_in{aliases},
                    CASE WHEN s._op IS NOT NULL THEN 'gone'
                         WHEN m.ctid IS NULL THEN 'new'
                         WHEN {self._newer("s.", self._differs())} THEN 'newer'
                         WHEN {self._older("s.")} THEN 'superseded'
                         ELSE 'unchanged' END AS verdict
                FROM (SELECT s.ctid AS _shardlake_place, s.*{casts} FROM {self.staging} s OFFSET 0) s
                LEFT JOIN LATERAL (SELECT m.ctid, m.tableoid, {looked} FROM {self.into} m WHERE s._op IS NULL AND {same} LIMIT 1) m ON true
            ), updated AS (
                {written}
            ), inserted AS (
                INSERT INTO {self.into} ({ansi_list(names)})
                SELECT {", ".join(values.values())} FROM verdicts w JOIN {self.staging} s ON s.ctid = w.place WHERE w.verdict = 'new'
                ON CONFLICT ({ansi_list(self.view.key)}) DO NOTHING RETURNING 1
            )
            SELECT count(*) FILTER (WHERE verdict = 'new'), count(*) FILTER (WHERE verdict = 'newer'),
                count(*) FILTER (WHERE verdict = 'unchanged'), count(*) FILTER (WHERE verdict = 'superseded'),
                count(*) FILTER (WHERE verdict = 'gone'), (SELECT count(*) FROM inserted), (SELECT count(*) FROM updated)
            FROM verdicts""")

    @property
    def keys_may_repeat(self) -> bool:
        """Whether two rows of one window may have one key: not where the key has all that tells rows of the source apart."""
        of_source = {self.view.target_of(k) for k in self.view.source.primary_key}
        element = {self.view.index_column} if self.view.explode else set()
        return not (of_source | element) <= {*self.view.key}

    def drop_older_twins(self) -> str:
        """Of several staged rows with one key, keep the newest; of equal versions the one that was read last."""
        order = f"{self._value(self.view.version_column)} DESC NULLS LAST, " if self.view.version_column else ""
        keys = ", ".join(self._value(k) for k in self.view.key)
        rows = "s._op IS NULL" if self.view.explode else "true"  # the mark of a parent without elements has no key of its own
        return (
            f"DELETE FROM {self.staging} WHERE ctid IN (SELECT place FROM (SELECT s.ctid AS place,"
            f" row_number() OVER (PARTITION BY {keys} ORDER BY {order}s.ctid DESC) AS nth FROM {self.staging} s WHERE {rows}) t WHERE nth > 1)"
        )

    # --- units: rows that come and go together (a deleted row, an exploded parent's elements) ------------------------
    def _number(self, name: str, value: str) -> str:
        kind = self._type(name).name
        if kind == "date":
            return f"coalesce(({value} - date '1970-01-01')::numeric, '-Infinity')"
        return f"coalesce({f'extract(epoch FROM {value})' if kind.startswith('timestamp') else f'{value}::numeric'}, '-Infinity')"

    def units(self) -> str:
        """The newest staged version of each unit: its key, its version as `_seq`, and as `_op` whether it is gone."""
        version = str(self.view.version_column)
        keys = ", ".join(f"{self._value(k)} AS {ansi(k)}" for k in self.view.unit_key)
        places = ", ".join(str(n + 1) for n in range(len(self.view.unit_key)))
        return (
            f"CREATE TEMP TABLE units ON COMMIT DROP AS SELECT DISTINCT ON ({places}) {keys},"
            f" {self._number(version, self._value(version))} AS _seq, s._op IS NOT NULL AS _op FROM {self.staging} s"
            f" ORDER BY {places}, _seq DESC, s.ctid DESC"
        )

    def drop_stale_units(self) -> str:
        """Staged rows of units of which a newer version is staged, in the target, or remembered as gone; returns how many they are,
        and how many of them are rows of the view."""
        version = str(self.view.version_column)
        same_unit = " AND ".join(f"u.{ansi(k)} = {self._value(k, 't.')}" for k in self.view.unit_key)
        in_target = " AND ".join(f"m.{ansi(k)} = u.{ansi(k)}" for k in self.view.unit_key)
        mine = self._number(version, f"m.{ansi(version)}")
        found, dead = f"({mine}, m._shard)", "(d.version, d.shard)"
        later = f"(u._seq, {postgres_text(self.shard)})"
        kept = self._read_since(self._value(version, "t.")) if self.since else "false"
        return (
            f"WITH stale AS (DELETE FROM {self.staging} t USING units u WHERE {same_unit} AND ("
            f"{self._number(version, self._value(version, 't.'))} < u._seq OR (t._op IS NOT NULL) <> u._op"
            f" OR EXISTS (SELECT FROM {self.into} m WHERE {in_target} AND ({found} > {later} OR ({found} = {later} AND {kept})))"
            f" OR EXISTS (SELECT FROM shardlake.tombstones d WHERE {self._tombstone()}"
            f" AND ({dead} > {later} OR ({dead} = {later} AND {kept})))) RETURNING t._op)\n"
            f"SELECT count(*), count(*) FILTER (WHERE {self._is_row('_op')}) FROM stale"
        )

    def _is_row(self, op: str) -> str:
        """Whether a staged row is a row of the view: marks of parents without elements are not."""
        return f"{op} IS NULL" if self.view.explode else "true"

    def forget_stale_units(self) -> str:
        """Units of which nothing is staged any more."""
        same = " AND ".join(f"u.{ansi(k)} = {self._value(k)}" for k in self.view.unit_key)
        return f"DELETE FROM units u WHERE NOT EXISTS (SELECT FROM {self.staging} s WHERE {same})"

    def remove_gone(self) -> str:
        """Remove the target's rows of the staged units that are not staged again; returns how many there were, and how many went."""
        unit = " AND ".join(f"m.{ansi(k)} = u.{ansi(k)}" for k in self.view.unit_key)
        same = " AND ".join(f"m.{ansi(k)} = {self._value(k)}" for k in self.view.key)
        return cleandoc(f"""
            WITH gone AS MATERIALIZED (
                SELECT m.ctid AS met, m.tableoid AS met_in FROM {self.into} m JOIN units u ON {unit}
                WHERE NOT EXISTS (SELECT FROM {self.staging} s WHERE s._op IS NULL AND {same})
            ), removed AS (
                DELETE FROM {self.into} m USING gone g WHERE m.ctid = g.met AND m.tableoid = g.met_in RETURNING 1
            )
            SELECT (SELECT count(*) FROM gone), (SELECT count(*) FROM removed)""")

    def tombstones(self) -> str:
        """Remember the units that are gone, so that no older version brings them back; returns how many are gone, of how many that is
        news, and of how many it was known."""
        same = self._tombstone()
        return (
            "WITH news AS (INSERT INTO shardlake.tombstones AS d (view, sink, unit_key, version, shard)"
            f" SELECT {postgres_text(self.view.name)}, {postgres_text(WAREHOUSE)}, {self._unit_key()}, u._seq, {postgres_text(self.shard)} FROM units u WHERE u._op"
            " ON CONFLICT (view, sink, unit_key) DO UPDATE SET version = excluded.version, shard = excluded.shard"
            " WHERE (d.version, d.shard) IS DISTINCT FROM (excluded.version, excluded.shard) RETURNING 1)\n"
            "SELECT count(*), (SELECT count(*) FROM news),"
            f" count(*) FILTER (WHERE EXISTS (SELECT FROM shardlake.tombstones d WHERE {same} AND (d.version, d.shard) = (u._seq, {postgres_text(self.shard)})))"
            " FROM units u WHERE u._op"
        )

    def forget_tombstones(self) -> str:
        """Units that have rows again."""
        return f"DELETE FROM shardlake.tombstones d USING units u WHERE {self._tombstone()} AND NOT u._op"

    def _tombstone(self) -> str:
        """Whether `d` is of the unit `u`."""
        older = f"jsonb_build_array({', '.join('u.' + ansi(k) for k in self.view.unit_key)})"  # as earlier versions wrote it
        same = f"= {self._unit_key()}" if self._unit_key() == older else f"= ANY (ARRAY[{self._unit_key()}, {older}])"
        return f"d.view = {postgres_text(self.view.name)} AND d.sink = {postgres_text(WAREHOUSE)} AND d.unit_key {same}"

    def _unit_key(self) -> str:
        """The key of `u` in jsonb: equal values are equal there, whatever the session's settings."""
        return f"jsonb_build_array({', '.join(_in_jsonb(self._type(k).name, 'u.' + ansi(k)) for k in self.view.unit_key)})"


def _in_jsonb(type_: str, value: str) -> str:
    """A value as a part of a unit's key, in one form. An interval is compared as Postgres does it: months of 30 days, days of 24 hours."""
    if type_ == "timestamptz":
        return f"(to_jsonb({value} AT TIME ZONE 'UTC') #>> '{{}}') || '+00:00'"
    if type_ == "bytea":
        return f"chr(92) || 'x' || encode({value}, 'hex')"
    if type_ == "interval":
        days = f"(extract(year FROM {value}) * 12 + extract(month FROM {value})) * 30 + extract(day FROM {value})"
        return f"({days}) * 86400 + extract(hour FROM {value}) * 3600 + extract(minute FROM {value}) * 60 + extract(second FROM {value})"
    return value
