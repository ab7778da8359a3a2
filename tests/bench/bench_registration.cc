// Registering images through PoolStore against a raw COPY of the same rows into a table with the
// same columns and indexes, in the same run: bench_registration [images] [chunk]. Prints JSON.

#include <sys/resource.h>

#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <pqxx/pqxx>
#include <string>
#include <tuple>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/storage/connection_pool.h"
#include "server/storage/postgres_pool_store.h"
#include "server/storage/transaction.h"
#include "tests/support/postgres.h"

namespace mgral {
namespace {

double Now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

domain::NewImage Image(int64_t number) {
  domain::NewImage image;
  image.image_id = absl::StrCat("camera-", number % 97, "/frame-", number);
  image.source.location = absl::StrCat("site/camera-", number % 97, "/frame-", number, ".jpg");
  image.width = 1920;
  image.height = 1080;
  return image;
}

// Rows per second of one COPY and its COMMIT. Everything that the store's rows hold is sent.
double Copy(const std::string& conninfo, int64_t pool_key, int64_t images) {
  pqxx::connection connection(conninfo);
  pqxx::work tx(connection);
  const std::vector<std::string> columns = {"pool_key", "shuffle",     "width",    "height",  "use",
                                            "state",    "source_kind", "image_id", "location"};
  const double start = Now();
  pqxx::stream_to stream = storage::CopyTo(tx, "reference_image", columns);
  for (int64_t i = 0; i < images; ++i) {
    const domain::NewImage image = Image(i);
    const auto shuffle = static_cast<int64_t>(static_cast<uint64_t>(i) * 0x9e3779b97f4a7c15u);
    stream << std::make_tuple(pool_key, shuffle, image.width, image.height, 1, 1, 1, image.image_id,
                              image.source.location);
  }
  stream.complete();
  tx.commit();
  return static_cast<double>(images) / (Now() - start);
}

double Register(domain::PoolStore& pools, int64_t pool_key, int64_t images, int64_t chunk) {
  const double start = Now();
  std::vector<domain::NewImage> pending;
  for (int64_t i = 0; i < images; ++i) {
    pending.push_back(Image(i));
    if (static_cast<int64_t>(pending.size()) < chunk && i + 1 < images) continue;
    const auto registered = pools.RegisterImages(pool_key, pending, {});
    if (!registered.ok()) {
      std::fprintf(stderr, "%s\n", registered.status().ToString().c_str());
      std::exit(1);
    }
    pending.clear();
  }
  return static_cast<double>(images) / (Now() - start);
}

int64_t PeakKib() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss;
}

void Run(int64_t images, int64_t chunk) {
  test::PostgresCluster cluster({true});  // fsync: commits cost what they cost
  const auto database = test::TestDatabase::Create(cluster);
  storage::ConnectionPool connections({database->conninfo(), 2, absl::Seconds(30)});
  storage::PostgresPoolStore pools(connections);
  domain::Pool pool;
  pool.pool_id = "bench";
  pool.classes = {"object"};
  const int64_t key = pools.CreatePool(pool, {})->key;
  database->Execute("CREATE TABLE reference_image (LIKE image INCLUDING ALL)");
  Register(pools, key, chunk, chunk);
  const int64_t before = PeakKib();
  const double registered = Register(pools, key, images, chunk);
  const int64_t grown = PeakKib() - before;
  const double copied = Copy(database->conninfo(), key, images);
  nlohmann::json json = {{"bench", "registration"},
                         {"images", images},
                         {"chunk", chunk},
                         {"registered_per_second", registered},
                         {"reference_copy_per_second", copied},
                         {"ratio", registered / copied},
                         {"client_memory_growth_kib", grown}};
  std::printf("%s\n", json.dump(2).c_str());
}

}  // namespace
}  // namespace mgral

int main(int argc, char** argv) {
  const int64_t images = argc > 1 ? std::atoll(argv[1]) : 1000000;
  const int64_t chunk = argc > 2 ? std::atoll(argv[2]) : 1000;
  mgral::Run(images, chunk);
}
