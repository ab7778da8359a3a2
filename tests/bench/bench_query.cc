// LeaseBatch by 16 clients at once against the same claim as one bare SQL statement by 16 clients,
// in the same run: bench_query [images] [calls] [size]. Prints JSON.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <functional>
#include <mutex>
#include <nlohmann/json.hpp>
#include <pqxx/pqxx>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/storage/connection_pool.h"
#include "server/storage/postgres_batch_store.h"
#include "server/storage/postgres_pool_store.h"
#include "tests/support/postgres.h"

namespace mgral {
namespace {

constexpr int kClients = 16;
constexpr int kQueue = 10000;

double Now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

struct Latencies {
  std::vector<double> milliseconds;
  double seconds = 0;
};

// Runs `call(client)` `calls` times in all from kClients threads.
Latencies Measure(int calls, const std::function<void(int client)>& call) {
  std::atomic<int> left{calls};
  std::mutex mutex;
  Latencies result;
  std::vector<std::thread> clients;
  const double start = Now();
  for (int c = 0; c < kClients; ++c) {
    clients.emplace_back([&, c] {
      std::vector<double> own;
      while (left.fetch_sub(1) > 0) {
        const double begin = Now();
        call(c);
        own.push_back((Now() - begin) * 1e3);
      }
      std::lock_guard<std::mutex> lock(mutex);
      result.milliseconds.insert(result.milliseconds.end(), own.begin(), own.end());
    });
  }
  for (std::thread& client : clients) client.join();
  result.seconds = Now() - start;
  std::sort(result.milliseconds.begin(), result.milliseconds.end());
  return result;
}

nlohmann::json Summary(const Latencies& latencies) {
  const auto at = [&](double share) {
    return latencies.milliseconds[static_cast<size_t>(share * (latencies.milliseconds.size() - 1))];
  };
  return {{"p50_ms", at(0.5)},
          {"p99_ms", at(0.99)},
          {"calls_per_second", latencies.milliseconds.size() / latencies.seconds}};
}

// A pool with a published snapshot: a queue, and for each of its images an entry and predictions.
int64_t MakePool(const test::TestDatabase& database, domain::PoolStore& pools,
                 const std::string& pool_id, int64_t images) {
  domain::Pool pool;
  pool.pool_id = pool_id;
  pool.classes = {"object"};
  const int64_t key = pools.CreatePool(pool, {})->key;
  const std::string of = absl::StrCat(" WHERE pool_key = ", key);
  database.Execute(absl::StrCat(
      "INSERT INTO image (pool_key, image_id, source_kind, location, use, width, height, shuffle) "
      "SELECT ",
      key,
      ", 'img-' || n, 1, 'folder/' || n || '.jpg', 1, 1920, 1080, "
      "hashtextextended('img-' || n, 0) FROM generate_series(1, ",
      images, ") n"));
  database.Execute(absl::StrCat(
      "INSERT INTO cycle (pool_key, number, without_table, state, end_time) VALUES (", key,
      ", 1, true, 3, now()); "
      "INSERT INTO model (pool_key, version, cycle_key, profile, parameters, weights_sha256, "
      "cold_start, training_images, validation_images, map50, map50_11_point, map, class_ap50, "
      "class_ap50_11_point, class_ap, class_boxes) SELECT pool_key, 1, key, '', 0, '', false, 0, "
      "0, "
      "0, 0, 0, '{}', '{}', '{}', '{}' FROM cycle",
      of,
      "; "
      "INSERT INTO snapshot (pool_key, cycle_key, model_key, strategies, note, selector_sha256, "
      "manifest_sha256) SELECT pool_key, cycle_key, key, '{mgral}', '', '', '' FROM model",
      of, "; UPDATE pool SET snapshot_key = (SELECT key FROM snapshot", of, ") WHERE key = ", key));
  const std::string snapshot = absl::StrCat("(SELECT key FROM snapshot", of, ")");
  database.Execute(
      absl::StrCat("INSERT INTO queue_entry (snapshot_key, image_key, strategy, position) SELECT ",
                   snapshot, ", key, 'mgral', row_number() OVER () FROM image", of, " LIMIT ",
                   kQueue, "; INSERT INTO snapshot_image SELECT ", snapshot,
                   ", key, 1, '\\x0011223344556677', '{0.5}', "
                   "'\\x0100000000' FROM image",
                   of));
  return key;
}

// The claim and nothing else: the rows are chosen, marked and recorded.
std::string BareClaim(int64_t pool_key, int size, bool queue) {
  const std::string of = absl::StrCat(" WHERE pool_key = ", pool_key);
  const std::string picked =
      queue ? absl::StrCat(
                  "SELECT q.image_key AS key FROM queue_entry q JOIN image i ON i.key = "
                  "q.image_key WHERE q.snapshot_key = (SELECT key FROM snapshot",
                  of,
                  ") AND q.strategy = 'mgral' AND NOT q.taken AND i.state = 1 AND i.use = 1 ORDER "
                  "BY q.position")
            : absl::StrCat("SELECT i.key FROM image i", of,
                           " AND i.state = 1 AND i.use = 1 ORDER BY i.shuffle");
  return absl::StrCat(
      "WITH picked AS MATERIALIZED (", picked, " LIMIT ", size,
      " FOR UPDATE OF i SKIP LOCKED), "
      "made AS (INSERT INTO batch (key, pool_key, strategy, strategy_note, table_version, "
      "annotator, create_time, expire_time) VALUES (nextval('batch_key'), ",
      pool_key,
      ", '', '', 0, '', now(), now() + interval '1 hour') RETURNING key), "
      "held AS (INSERT INTO batch_image (batch_key, rank, image_key, cell, expected_gain, "
      "predictions) SELECT made.key, row_number() OVER (), picked.key, -1, '{}', '' FROM made, "
      "picked), "
      "entries AS (UPDATE queue_entry q SET taken = true FROM picked WHERE q.snapshot_key = "
      "(SELECT key FROM snapshot",
      of,
      ") AND q.image_key = picked.key AND NOT q.taken) "
      "UPDATE image i SET state = 2, batch_key = made.key FROM picked, made WHERE i.key = "
      "picked.key RETURNING i.key, i.image_id");
}

void Run(int64_t images, int calls, int size) {
  test::PostgresCluster cluster({true});
  const auto database = test::TestDatabase::Create(cluster);
  storage::ConnectionPool connections({database->conninfo(), kClients, absl::Seconds(30)});
  storage::PostgresPoolStore pools(connections);
  storage::PostgresBatchStore batches(connections);
  // Each way gets a pool of its own, filled alike.
  const int64_t ours = MakePool(*database, pools, "ours", images);
  const int64_t bare = MakePool(*database, pools, "bare", images);
  database->Execute("ANALYZE");
  database->Execute("CHECKPOINT");
  std::vector<std::unique_ptr<pqxx::connection>> sessions;
  for (int c = 0; c < kClients; ++c) {
    sessions.push_back(std::make_unique<pqxx::connection>(database->conninfo()));
    pqxx::nontransaction(*sessions.back()).exec("SET jit = off");
  }
  nlohmann::json json = {{"bench", "query"},
                         {"images", images},
                         {"clients", kClients},
                         {"calls", calls},
                         {"size", size}};
  for (const bool queue : {true, false}) {
    const std::string statement = BareClaim(bare, size, queue);
    const auto reference = [&](int client) {
      pqxx::nontransaction(*sessions[client]).exec(statement);
    };
    domain::BatchStore::LeaseRequest request;
    request.pool_key = ours;
    request.size = size;
    request.strategy = queue ? "mgral" : "random";
    request.lease = absl::Hours(1);
    const auto lease = [&](int) {
      const auto batch = batches.LeaseBatch(request, nullptr);
      if (!batch.ok() || static_cast<int>(batch->images.size()) != size) {
        std::fprintf(stderr, "%s\n", batch.status().ToString().c_str());
        std::exit(1);
      }
    };
    Measure(4 * kClients, reference);
    Measure(4 * kClients, lease);
    const Latencies claimed = Measure(calls, reference), leased = Measure(calls, lease);
    const nlohmann::json a = Summary(leased), b = Summary(claimed);
    json[queue ? "queue" : "random"] = {
        {"lease_batch", a},
        {"reference_bare_sql", b},
        {"p99_ratio", a["p99_ms"].get<double>() / b["p99_ms"].get<double>()}};
  }
  json["images_in_two_live_leases"] = std::stoll(database->Query(
      "SELECT count(*) FROM (SELECT image_key FROM batch_image JOIN batch ON batch.key = batch_key "
      "WHERE batch.state = 1 GROUP BY 1 HAVING count(*) > 1) AS twice"));
  std::printf("%s\n", json.dump(2).c_str());
}

}  // namespace
}  // namespace mgral

int main(int argc, char** argv) {
  const int64_t images = argc > 1 ? std::atoll(argv[1]) : 1000000;
  const int calls = argc > 2 ? std::atoi(argv[2]) : 2000;
  const int size = argc > 3 ? std::atoi(argv[3]) : 4;
  mgral::Run(images, calls, size);
}
