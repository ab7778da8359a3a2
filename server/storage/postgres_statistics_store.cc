#include "server/storage/postgres_statistics_store.h"

#include "absl/strings/str_cat.h"
#include "server/storage/transaction.h"

namespace mgral::storage {
namespace {

using domain::Statistics;

// Columns 0-8, one row. Both tables are entered by their partial indexes of what has not ended. A
// cycle whose next job waits for a worker is not stalled: the first claim renews progress_time.
constexpr char kWork[] =
    "(SELECT count(*) FILTER (WHERE j.state = 1) AS waiting, "
    "count(*) FILTER (WHERE j.state = 2 AND j.lease_until > t.now) AS running, "
    "count(*) FILTER (WHERE j.state = 2 AND j.lease_until <= t.now) AS overdue, "
    "coalesce(extract(epoch FROM t.now - min(j.free_since) FILTER (WHERE j.state = 1)), 0) AS "
    "waiting_age, "
    "coalesce(extract(epoch FROM t.now - min(j.lease_until) FILTER (WHERE j.state = 2 AND "
    "j.lease_until <= t.now)), 0) AS overdue_age, "
    "coalesce(extract(epoch FROM t.now - min(c.progress_time) FILTER (WHERE j.state = 2 AND "
    "j.lease_until > t.now)), 0) AS stalled "
    "FROM (SELECT clock_timestamp() AS now) t LEFT JOIN (job j JOIN cycle c ON c.key = "
    "j.cycle_key AND c.state IN (1, 2)) ON j.state IN (1, 2) GROUP BY t.now) work, "
    "(SELECT count(*) FILTER (WHERE state = 1) AS queued, "
    "count(*) FILTER (WHERE state = 2) AS running FROM cycle WHERE state IN (1, 2)) cycles, "
    "(SELECT count(*) AS pools FROM pool) pools ";

// Columns 9-22, a row per pool. Counts are those of pool_rows.cc; leases that are over count as
// leased until they are swept, seconds later.
constexpr char kPools[] =
    "(SELECT p.key, p.pool_id, p.snapshot_key, newest.key AS cycle FROM pool p LEFT JOIN LATERAL "
    "(SELECT key FROM cycle WHERE pool_key = p.key ORDER BY number DESC LIMIT 1) newest ON true "
    "ORDER BY newest.key DESC NULLS LAST, p.key DESC LIMIT $1) p "
    "CROSS JOIN LATERAL (SELECT coalesce(sum(images) FILTER (WHERE state = 1), 0) AS unlabeled, "
    "coalesce(sum(images) FILTER (WHERE state = 2), 0) AS leased, "
    "coalesce(sum(images) FILTER (WHERE state = 3), 0) AS labeled, "
    "coalesce(sum(images) FILTER (WHERE state = 4), 0) AS rejected "
    "FROM image_count WHERE pool_key = p.key) n "
    "LEFT JOIN snapshot s ON s.key = p.snapshot_key LEFT JOIN cycle c ON c.key = s.cycle_key";

std::string Query() {
  return absl::StrCat(
      "SELECT work.waiting, work.running, work.overdue, work.waiting_age, work.overdue_age, "
      "cycles.queued, cycles.running, work.stalled, pools.pools, "
      "p.pool_id, n.unlabeled, n.leased, n.labeled, n.rejected, "
      "EXISTS (SELECT 1 FROM cycle WHERE pool_key = p.key AND state IN (1, 2)), "
      "coalesce((SELECT state = 4 FROM cycle WHERE pool_key = p.key AND state > 2 ORDER BY number "
      "DESC LIMIT 1), false), "
      "extract(epoch FROM clock_timestamp() - c.end_time), c.map50, c.map, c.predicted_gain, "
      "c.realised_gain, (s.report->>'fidelity')::double precision, "
      "(s.report->>'replay_probes')::bigint FROM ",
      kWork, "LEFT JOIN (", kPools, ") ON true ORDER BY p.cycle DESC NULLS LAST, p.key DESC");
}

std::optional<double> ReadOptionalDouble(const pqxx::field& field) {
  if (field.is_null()) return std::nullopt;
  return ReadDouble(field);
}

Statistics::PoolFigures ReadFigures(const pqxx::row& row) {
  Statistics::PoolFigures pool;
  pool.pool_id = ReadText(row[9]);
  pool.counts.unlabeled = row[10].as<int64_t>();
  pool.counts.leased = row[11].as<int64_t>();
  pool.counts.labeled = row[12].as<int64_t>();
  pool.counts.rejected = row[13].as<int64_t>();
  pool.cycle_running = row[14].as<bool>();
  pool.last_cycle_failed = row[15].as<bool>();
  if (row[16].is_null()) return pool;
  Statistics::PoolFigures::Published published;
  published.age_seconds = ReadDouble(row[16]);
  published.map50 = ReadDouble(row[17]);
  published.map = ReadDouble(row[18]);
  published.predicted_gain = ReadDouble(row[19]);
  published.realised_gain = ReadOptionalDouble(row[20]);
  published.fidelity = ReadOptionalDouble(row[21]);
  published.replay_probes = ReadOptional<int64_t>(row[22]);
  pool.published = published;
  return pool;
}

}  // namespace

absl::StatusOr<Statistics> PostgresStatisticsStore::Read(int max_pools) {
  return InTransaction(connections_, Access::kRead,
                       [&](pqxx::work& tx) -> absl::StatusOr<Statistics> {
                         const pqxx::result rows = Exec(tx, Query(), max_pools);
                         Statistics statistics;
                         statistics.jobs_waiting = rows[0][0].as<int64_t>();
                         statistics.jobs_running = rows[0][1].as<int64_t>();
                         statistics.jobs_overdue = rows[0][2].as<int64_t>();
                         statistics.oldest_waiting_seconds = ReadDouble(rows[0][3]);
                         statistics.oldest_overdue_seconds = ReadDouble(rows[0][4]);
                         statistics.cycles_queued = rows[0][5].as<int64_t>();
                         statistics.cycles_running = rows[0][6].as<int64_t>();
                         statistics.stalled_seconds = ReadDouble(rows[0][7]);
                         statistics.pool_count = rows[0][8].as<int64_t>();
                         for (const pqxx::row& row : rows) {
                           if (!row[9].is_null()) statistics.pools.push_back(ReadFigures(row));
                         }
                         return statistics;
                       });
}

}  // namespace mgral::storage
