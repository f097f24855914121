"""The statements of a merge, as text. `s` is the staging table, `m` the target; values travel as text until the cast."""

from dataclasses import dataclass

from shardlake.quoting import ansi, ansi_list, postgres_text
from shardlake.rows.cast import cast
from shardlake.shape.uncertain import INDEXABLE_BYTES
from shardlake.sink.postgres.names import staging, staging_rejects
from shardlake.view.columns import TargetColumn
from shardlake.view.types import Type
from shardlake.view.view import View


@dataclass(frozen=True, slots=True)
class MergeSql:
    """The merge of one window of a view into `into` (the target, or a replace's new table).

    `since` are the ranges of the cursor that were read after this window was, and are merged already: a backfill and a
    regular run read one shard beside each other. At the same version what was read later stays.
    """

    view: View
    window_id: int
    shard: str
    columns: tuple[TargetColumn, ...]
    into: str
    zone: str = "UTC"
    since: tuple[tuple[str | None, str | None], ...] = ()

    @property
    def staging(self) -> str:
        """The window's staging table."""
        return staging(self.window_id)

    def _type(self, name: str) -> Type:
        return next(c.type for c in self.columns if c.name == name)

    def _value(self, name: str, prefix: str = "s.") -> str:
        return postgres_text(self.shard) if name == "_shard" else cast(self._type(name), prefix + ansi(name))

    def _same(self, names: tuple[str, ...]) -> str:
        return " AND ".join(f"m.{ansi(n)} = {self._value(n)}" for n in names)

    def _newer(self, version: str, shard: str, row: str) -> str:
        """Whether a staged row replaces `m`: a later version; at the same version another row of the same shard, or
        of a shard that sorts later, so that the outcome does not depend on the order in which shards come."""
        mine = f"m.{ansi(str(self.view.version_column))}"
        theirs = ", ".join(f"m.{ansi(c.name)}" for c in self.columns)
        kept = f" AND NOT (m._shard = {shard} AND {self._read_since(version)})" if self.since else ""
        return (
            f"({version} > {mine} OR ({mine} IS NULL AND {version} IS NOT NULL)"
            f" OR ({version} IS NOT DISTINCT FROM {mine} AND {shard} >= m._shard{kept} AND ({row}) IS DISTINCT FROM ({theirs})))"
        )

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

    def insert(self, *, compare_first: bool) -> str:
        """Cast and upsert. With `compare_first`, rows that change nothing are found by a join before they are cast."""
        names = tuple(c.name for c in self.columns)
        values = ", ".join(self._value(n) for n in names)
        live = "s._op IS NULL"
        sql = f"INSERT INTO {self.into} AS m ({ansi_list(names)})\nSELECT {values}\nFROM {self.staging} s\nWHERE {live}"
        rest = tuple(n for n in names if n not in self.view.key)
        update = ", ".join(f"{ansi(n)} = excluded.{ansi(n)}" for n in rest)
        if self.view.warehouse.write == "append" or not rest:
            return f"{sql}\nON CONFLICT ({ansi_list(self.view.key)}) DO NOTHING"
        if self.view.warehouse.write == "replace":  # of shards that hold one key the last has it, in whatever order they come
            return f"{sql}\nON CONFLICT ({ansi_list(self.view.key)}) DO UPDATE SET {update}\nWHERE excluded._shard > m._shard"
        version = str(self.view.version_column)
        if compare_first:
            newer = self._newer(self._value(version), postgres_text(self.shard), values)
            sql += f"\n  AND NOT EXISTS (SELECT FROM {self.into} m WHERE {self._same(self.view.key)} AND NOT {newer})"
        newer = self._newer(f"excluded.{ansi(version)}", "excluded._shard", ansi_list(names, "excluded."))
        return f"{sql}\nON CONFLICT ({ansi_list(self.view.key)}) DO UPDATE SET {update}\nWHERE {newer}"

    def superseded(self) -> str:
        """How many staged rows met a newer version, after the upsert."""
        if self.view.warehouse.write != "merge":
            return f"SELECT count(*) FROM {self.staging} s JOIN {self.into} m ON {self._same(self.view.key)} WHERE s._op IS NULL AND m._shard > {postgres_text(self.shard)}"
        version, mine = self._value(str(self.view.version_column)), f"m.{ansi(str(self.view.version_column))}"
        return (
            f"SELECT count(*) FROM {self.staging} s JOIN {self.into} m ON {self._same(self.view.key)}\n"
            f"WHERE s._op IS NULL AND ({mine} > {version} OR ({version} IS NULL AND {mine} IS NOT NULL)"
            f" OR ({mine} IS NOT DISTINCT FROM {version} AND m._shard > {postgres_text(self.shard)}))"
        )

    def drop_older_twins(self) -> str:
        """Of several staged rows with one key, keep the newest; of equal versions the one that was read last."""
        order = f"{self._value(self.view.version_column)} DESC NULLS LAST, " if self.view.version_column else ""
        keys = ", ".join(self._value(k) for k in self.view.key)
        return (
            f"DELETE FROM {self.staging} WHERE ctid IN (SELECT place FROM (SELECT s.ctid AS place,"
            f" row_number() OVER (PARTITION BY {keys} ORDER BY {order}s.ctid DESC) AS nth FROM {self.staging} s WHERE s._op IS NULL) t WHERE nth > 1)"
        )

    def reject(self, *, everything: bool) -> str:
        """Have Postgres judge the uncertain (or every row), and move those that do not cast to the rejects."""
        return (
            f"WITH {self._judged(self.staging, everything=everything)},\n"
            f"removed AS (DELETE FROM {self.staging} t USING judged j WHERE t.ctid = j.place)\n"
            "INSERT INTO shardlake.rejects (window_id, view, shard, stage, row_key, column_name, value, reason)\n"
            f"SELECT {self.window_id}, {postgres_text(self.view.name)}, {postgres_text(self.shard)}, 'merge', row_key, name, left(value, 500), reason FROM judged RETURNING 1"
        )

    def judge(self, table: str) -> str:
        """Take the rows that do not cast out of a table like staging: the same judgement, recorded nowhere."""
        return f"WITH {self._judged(table, everything=False)} DELETE FROM {table} t USING judged j WHERE t.ctid = j.place"

    def _judged(self, table: str, *, everything: bool) -> str:
        indexed = {c for group in (self.view.key, *self.view.warehouse.indexes) for c in group}
        checks: list[str] = []
        for column in self.columns:
            if column.name == "_shard":
                continue
            value = f"s.{ansi(column.name)}"
            reason = f"shardlake.cast_error({value}, {postgres_text(str(column.type))})"
            if column.type.certain is None:
                reason = "NULL" if column.type.name == "text" else reason
            elif column.type.name != "varchar":  # a pattern costs a tenth of the cast that it spares
                reason = f"CASE WHEN {value} ~ {postgres_text(f'^(?:{column.type.certain})$')} THEN NULL ELSE {reason} END"
            if column.name in indexed and column.type.name in ("text", "varchar", "jsonb", "bytea"):
                reason = f"CASE WHEN octet_length({value}) > {INDEXABLE_BYTES} THEN 'is longer than the {INDEXABLE_BYTES} bytes that an index takes' ELSE {reason} END"
            if column.name in self.view.key:
                live = "" if column.name in self.view.unit_key else " AND s._op IS NULL"
                reason = f"CASE WHEN {value} IS NULL{live} THEN 'is NULL in the key' ELSE {reason} END"
            checks.append(f"({len(checks)}, {postgres_text(column.name)}, {value}, {reason})")
        where = "true" if everything else "s._uncertain IS NOT NULL"
        return (
            f"judged AS (\n  SELECT s.ctid AS place, s._op AS op, {self.row_key()} AS row_key, f.name, f.value, f.reason FROM {table} s\n"
            f"  CROSS JOIN LATERAL (SELECT c.name, c.value, c.reason FROM (VALUES {', '.join(checks)}) AS c(nth, name, value, reason)"
            f" WHERE c.reason IS NOT NULL ORDER BY c.nth LIMIT 1) f\n  WHERE {where})"
        )

    def row_key(self) -> str:
        """A staged row's key as it was read."""
        own = (k for k in self.view.key if k != "_shard")
        return "jsonb_build_object(" + ", ".join(f"{postgres_text(k)}, left(s.{ansi(k)}, 500)" for k in own) + ")"

    def shape_rejects(self) -> str:
        """Take over what shape rejected."""
        return (
            "INSERT INTO shardlake.rejects (window_id, view, shard, stage, row_key, column_name, value, reason)\n"
            f"SELECT {self.window_id}, {postgres_text(self.view.name)}, {postgres_text(self.shard)}, 'shape', row_key, column_name, value, reason FROM {staging_rejects(self.window_id)}"
        )

    # --- units: rows that come and go together (a deleted row, an exploded parent's elements) ------------------------
    def _unit(self, prefix: str) -> str:
        return ", ".join(f"{prefix}{ansi(k)}" for k in self.view.unit_key)

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
        """Staged rows of units of which a newer version is staged, in the target, or remembered as gone."""
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
            f" OR EXISTS (SELECT FROM shardlake.tombstones d WHERE d.view = {postgres_text(self.view.name)} AND d.sink = 'warehouse' AND d.unit_key = jsonb_build_array({self._unit('u.')})"
            f" AND ({dead} > {later} OR ({dead} = {later} AND {kept})))) RETURNING t._op)\n"
            f"SELECT count(*) FILTER (WHERE {self.counts('_op')}) FROM stale"
        )

    def counts(self, op: str) -> str:
        """Whether a staged row is a row of the view: marks of parents without elements are not."""
        return f"{op} IS NULL" if self.view.explode else "true"

    def forget_stale_units(self) -> str:
        """Units of which nothing is staged any more."""
        same = " AND ".join(f"u.{ansi(k)} = {self._value(k)}" for k in self.view.unit_key)
        return f"DELETE FROM units u WHERE NOT EXISTS (SELECT FROM {self.staging} s WHERE {same})"

    def remove_gone(self) -> str:
        """Target rows of the staged units that are not staged again."""
        unit = " AND ".join(f"m.{ansi(k)} = u.{ansi(k)}" for k in self.view.unit_key)
        return (
            f"DELETE FROM {self.into} m USING units u WHERE {unit}"
            f" AND NOT EXISTS (SELECT FROM {self.staging} s WHERE s._op IS NULL AND {self._same(self.view.key)})"
        )

    def tombstones(self) -> str:
        """Remember the units that are gone, so that no older version brings them back; returns how many are news."""
        return (
            "WITH news AS (INSERT INTO shardlake.tombstones AS d (view, sink, unit_key, version, shard)"
            f" SELECT {postgres_text(self.view.name)}, 'warehouse', jsonb_build_array({self._unit('u.')}), u._seq, {postgres_text(self.shard)} FROM units u WHERE u._op"
            " ON CONFLICT (view, sink, unit_key) DO UPDATE SET version = excluded.version, shard = excluded.shard"
            " WHERE (d.version, d.shard) IS DISTINCT FROM (excluded.version, excluded.shard) RETURNING 1)\nSELECT count(*) FROM news"
        )

    def forget_tombstones(self) -> str:
        """Units that have rows again."""
        return f"DELETE FROM shardlake.tombstones d USING units u WHERE d.view = {postgres_text(self.view.name)} AND d.sink = 'warehouse' AND NOT u._op AND d.unit_key = jsonb_build_array({self._unit('u.')})"
