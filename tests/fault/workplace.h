#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "server/base/errors.h"
#include "server/cycle/job_loop.h"
#include "server/cycle/job_runner.h"
#include "server/imaging/file_image_loader.h"
#include "server/runtime/torch_runtime.h"
#include "server/storage/change_listener.h"
#include "server/storage/connection_pool.h"
#include "server/storage/disk_artifact_store.h"
#include "server/storage/postgres_batch_store.h"
#include "server/storage/postgres_cycle_store.h"
#include "server/storage/postgres_job_queue.h"
#include "server/storage/postgres_label_store.h"
#include "server/storage/postgres_pool_store.h"
#include "tests/fault/drawn_images.h"
#include "tests/support/postgres.h"

namespace mgral::test {

// Reads images as another does, but for those at an address that does not answer, and counts.
class UnreachableImages : public domain::ImageLoader {
 public:
  explicit UnreachableImages(domain::ImageLoader* loader) : loader_(loader) {}
  absl::StatusOr<domain::ImageHeader> ReadHeader(const domain::CallContext& call,
                                                 const domain::ImageSource& source) override {
    if (locations.count(source.location) > 0) return NoAnswer();
    return loader_->ReadHeader(call, source);
  }
  absl::StatusOr<domain::ImageHeader> Verify(const domain::CallContext& call,
                                             const domain::ImageSource& source) override {
    if (locations.count(source.location) > 0) return NoAnswer();
    ++decoded;
    return loader_->Verify(call, source);
  }
  absl::StatusOr<domain::ImageHeader> VerifyBytes(absl::string_view bytes, bool oriented) override {
    return loader_->VerifyBytes(bytes, oriented);
  }
  absl::StatusOr<domain::Pixels> Load(const domain::CallContext& call,
                                      const domain::ImageSource& source, int max_side) override {
    if (locations.count(source.location) > 0) return NoAnswer();
    ++decoded;
    return loader_->Load(call, source, max_side);
  }
  absl::StatusOr<domain::Pixels> LoadInTurn(const domain::CallContext& call,
                                            const domain::ImageSource& source,
                                            int max_side) override {
    if (locations.count(source.location) > 0) return NoAnswer();
    ++decoded;
    return loader_->LoadInTurn(call, source, max_side);
  }
  absl::StatusOr<domain::Pixels> LoadBytes(absl::string_view bytes, bool oriented,
                                           int max_side) override {
    return loader_->LoadBytes(bytes, oriented, max_side);
  }

  std::set<std::string> locations;
  std::atomic<int> decoded{0};

 private:
  static absl::Status NoAnswer() {
    return base::Unavailable("the address answered 503", absl::Seconds(1));
  }
  domain::ImageLoader* const loader_;
};

// The real parts around one database and one folder of drawn images, without gRPC: a cycle runs in
// this process, by a JobLoop of its own. Failed preparations end the test program.
class Workplace {
 public:
  explicit Workplace(int images);
  // On a migrated database and a folder with images/ and artifacts/ in it, which it removes; no
  // drawn images are known.
  Workplace(std::unique_ptr<TestDatabase> opened, const std::string& opened_folder);
  ~Workplace();

  // A pool of all drawn images: the first `labeled` have labels, the next `validation` are
  // validation images with labels.
  domain::Pool MakePool(const std::string& pool_id, const std::string& strategy, int64_t seed,
                        int labeled, int validation);
  domain::Pool MakePool(const domain::Pool& settings, int labeled, int validation);
  void Label(const domain::Pool& pool, const std::string& image_id,
             const std::string& batch_id = "");
  // Leases `size` images and labels them with the truth.
  domain::Batch LabelBatch(const domain::Pool& pool, int size);

  // Runs a cycle to its end and returns it. `while_running` is called after every change, `on_job`
  // with the outcome of every job (JobLoopOptions::on_job); with it, the work is not told to stop
  // when a cycle is canceled but has to find out.
  domain::Cycle RunCycle(const domain::Pool& pool,
                         const std::function<void(const domain::Cycle&)>& while_running = {},
                         const std::function<void(const std::string&)>& on_job = {});
  // The same for a cycle that is there already.
  domain::Cycle FinishCycle(const domain::Pool& pool, domain::Cycle cycle,
                            const std::function<void(const domain::Cycle&)>& while_running = {},
                            const std::function<void(const std::string&)>& on_job = {});
  // The published queue of a strategy: image ids, separated by spaces.
  std::string Queue(const domain::Pool& pool, const std::string& strategy) const;

  std::unique_ptr<TestDatabase> database;
  std::string folder;  // images/ and artifacts/ in it
  std::vector<DrawnImage> drawn;
  std::unique_ptr<storage::ConnectionPool> connections;
  std::unique_ptr<storage::ChangeListener> listener;
  std::unique_ptr<storage::PostgresPoolStore> pools;
  std::unique_ptr<storage::PostgresLabelStore> labels;
  std::unique_ptr<storage::PostgresBatchStore> batches;
  std::unique_ptr<storage::PostgresCycleStore> cycles;
  std::unique_ptr<storage::PostgresJobQueue> jobs;
  std::unique_ptr<storage::DiskArtifactStore> artifacts;
  std::unique_ptr<imaging::FileImageLoader> files;
  std::unique_ptr<UnreachableImages> loader;
  std::unique_ptr<runtime::TorchRuntime> runtime;
  std::unique_ptr<cycle::JobRunner> runner;

 private:
  void Open();
};

// Settings of pools that a cycle takes a few seconds for.
domain::Pool TinyPool(const std::string& pool_id, const std::string& strategy, int64_t seed);

}  // namespace mgral::test
