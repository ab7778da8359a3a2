#include "server/storage/postgres_statistics_store.h"

#include "server/storage/transaction.h"

namespace mgral::storage {
namespace {

using domain::Statistics;

// One row per pool, at least one, each with the figures of the whole service. Jobs and cycles are
// found by their partial indexes of what has not ended.
constexpr char kStatistics[] = R"sql(
SELECT
  work.*,
  cycles.*,
  pools.*,
  p.pool_id,
  n.*,
  EXISTS (
    SELECT 1
    FROM cycle
    WHERE pool_key = p.key
      AND state IN ({cycle.queued}, {cycle.running})
  ) AS cycle_running,
  coalesce(
    (
      SELECT state = {cycle.failed}
      FROM cycle
      WHERE pool_key = p.key
        AND state NOT IN ({cycle.queued}, {cycle.running})
      ORDER BY number DESC
      LIMIT 1
    ),
    false
  ) AS last_cycle_failed,
  extract(epoch FROM clock_timestamp() - c.end_time) AS age,
  c.map50,
  c.map,
  c.predicted_gain,
  c.realised_gain,
  (s.report->>'fidelity')::double precision AS fidelity,
  (s.report->>'replay_probes')::bigint AS replay_probes
FROM (
  SELECT
    count(*) FILTER (WHERE j.state = {job.open}) AS jobs_waiting,
    count(*) FILTER (WHERE j.state = {job.claimed} AND j.lease_until > t.now) AS jobs_running,
    count(*) FILTER (WHERE j.state = {job.claimed} AND j.lease_until <= t.now) AS jobs_overdue,
    -- A job that is tried again later waits from then on.
    greatest(
      extract(epoch FROM t.now - min(j.free_since) FILTER (WHERE j.state = {job.open})),
      0
    ) AS oldest_waiting,
    coalesce(
      extract(epoch FROM t.now - min(j.lease_until) FILTER (
        WHERE j.state = {job.claimed} AND j.lease_until <= t.now
      )),
      0
    ) AS oldest_overdue,
    -- A cycle whose next job waits for a worker is not stalled: the first claim renews its
    -- progress_time.
    coalesce(
      extract(epoch FROM t.now - min(c.progress_time) FILTER (
        WHERE j.state = {job.claimed} AND j.lease_until > t.now
      )),
      0
    ) AS stalled
  FROM (SELECT clock_timestamp() AS now) t
  LEFT JOIN (
    job j
    JOIN cycle c ON c.key = j.cycle_key AND c.state IN ({cycle.queued}, {cycle.running})
  ) ON j.state IN ({job.open}, {job.claimed})
  GROUP BY t.now
) work
CROSS JOIN (
  SELECT
    count(*) FILTER (WHERE state = {cycle.queued}) AS cycles_queued,
    count(*) FILTER (WHERE state = {cycle.running}) AS cycles_running
  FROM cycle
  WHERE state IN ({cycle.queued}, {cycle.running})
) cycles
CROSS JOIN (SELECT count(*) AS pool_count FROM pool) pools
LEFT JOIN (
  (
    SELECT p.key, p.pool_id, p.snapshot_key, newest.key AS cycle_key
    FROM pool p
    LEFT JOIN LATERAL (
      SELECT key
      FROM cycle
      WHERE pool_key = p.key
      ORDER BY number DESC
      LIMIT 1
    ) newest ON true
    ORDER BY newest.key DESC NULLS LAST, p.key DESC
    LIMIT $1
  ) p
  -- As in pool_rows.cc; images of leases that are over count as leased until they are returned,
  -- seconds later.
  CROSS JOIN LATERAL (
    SELECT
      coalesce(sum(images) FILTER (WHERE state = {image.unlabeled}), 0) AS unlabeled,
      coalesce(sum(images) FILTER (WHERE state = {image.leased}), 0) AS leased,
      coalesce(sum(images) FILTER (WHERE state = {image.labeled}), 0) AS labeled,
      coalesce(sum(images) FILTER (WHERE state = {image.rejected}), 0) AS rejected
    FROM image_count
    WHERE pool_key = p.key
  ) n
  LEFT JOIN snapshot s ON s.key = p.snapshot_key
  LEFT JOIN cycle c ON c.key = s.cycle_key
) ON true
ORDER BY p.cycle_key DESC NULLS LAST, p.key DESC
)sql";

std::optional<double> ReadOptionalDouble(const pqxx::field& field) {
  if (field.is_null()) return std::nullopt;
  return ReadDouble(field);
}

Statistics::PoolFigures ReadFigures(const pqxx::row& row) {
  Statistics::PoolFigures pool;
  pool.pool_id = ReadText(row["pool_id"]);
  pool.counts.unlabeled = row["unlabeled"].as<int64_t>();
  pool.counts.leased = row["leased"].as<int64_t>();
  pool.counts.labeled = row["labeled"].as<int64_t>();
  pool.counts.rejected = row["rejected"].as<int64_t>();
  pool.cycle_running = row["cycle_running"].as<bool>();
  pool.last_cycle_failed = row["last_cycle_failed"].as<bool>();
  if (row["age"].is_null()) return pool;
  Statistics::PoolFigures::Published published;
  published.age_seconds = ReadDouble(row["age"]);
  published.map50 = ReadDouble(row["map50"]);
  published.map = ReadDouble(row["map"]);
  published.predicted_gain = ReadDouble(row["predicted_gain"]);
  published.realized_gain = ReadOptionalDouble(row["realised_gain"]);
  published.fidelity = ReadOptionalDouble(row["fidelity"]);
  published.replay_probes = ReadOptional<int64_t>(row["replay_probes"]);
  pool.published = published;
  return pool;
}

Statistics ReadStatistics(const pqxx::result& rows) {
  Statistics statistics;
  const pqxx::row first = rows[0];
  statistics.jobs_waiting = first["jobs_waiting"].as<int64_t>();
  statistics.jobs_running = first["jobs_running"].as<int64_t>();
  statistics.jobs_overdue = first["jobs_overdue"].as<int64_t>();
  statistics.oldest_waiting_seconds = ReadDouble(first["oldest_waiting"]);
  statistics.oldest_overdue_seconds = ReadDouble(first["oldest_overdue"]);
  statistics.cycles_queued = first["cycles_queued"].as<int64_t>();
  statistics.cycles_running = first["cycles_running"].as<int64_t>();
  statistics.stalled_seconds = ReadDouble(first["stalled"]);
  statistics.pool_count = first["pool_count"].as<int64_t>();
  for (const pqxx::row& row : rows) {
    if (!row["pool_id"].is_null()) statistics.pools.push_back(ReadFigures(row));
  }
  return statistics;
}

}  // namespace

absl::StatusOr<Statistics> PostgresStatisticsStore::Read(int max_pools) {
  return InTransaction(connections_, Access::kRead,
                       [&](pqxx::work& tx) -> absl::StatusOr<Statistics> {
                         return ReadStatistics(Exec(tx, kStatistics, max_pools));
                       });
}

}  // namespace mgral::storage
