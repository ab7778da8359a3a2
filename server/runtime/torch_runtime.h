#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "server/domain/detector_runtime.h"
#include "server/domain/image_loader.h"
#include "server/domain/selection_runtime.h"

namespace mgral::runtime {

class DeviceExecutor;
class FeatureFolder;
class ImageCache;
class ModelCache;
class PretrainedTrunk;
class TableCache;
struct Workplace;

struct RuntimeOptions {
  int threads = 0;                    // of one operation on the device; 0: all cores
  int64_t cache_bytes = 512LL << 20;  // of decoded, reduced images
  std::string device = "cpu";         // of the detector's work; see TorchRuntime::ResolveDevice
  std::string trunk_weights = {};     // a file for PretrainedTrunk; empty: none
  std::string feature_folder = {};    // see FeatureFolder; in memory they have cache_bytes, too
  int64_t feature_bytes = 0;
};

// The method of server/core behind both ports: this class converts, core does the work. Training,
// embedding, probing, fitting and ranking run one after another on one device thread; Predict has a
// thread of its own, so that it answers while a cycle trains; EstimateGain, Describe, Measure,
// Export and Import run in the caller's thread, one Export or Import at a time. Thread-safe. What
// core throws becomes a status: Canceled CANCELLED, no memory and a full disk RESOURCE_EXHAUSTED,
// wrong arguments INVALID_ARGUMENT, anything else INTERNAL. On the CPU results depend on the
// arguments and on `threads` alone. What the detector does (training, measuring, embedding,
// probing, predicting) happens on `device`; images are prepared, tables fitted and batches selected
// on the CPU.
class TorchRuntime : public domain::DetectorRuntime, public domain::SelectionRuntime {
 public:
  // "cpu", or "cuda:N" for "cuda" (the first GPU), "cuda:N" or "auto" (a GPU if there is one).
  // INVALID_ARGUMENT for another name, and for a GPU that is not there.
  static absl::StatusOr<std::string> ResolveDevice(const std::string& name);

  // INVALID_ARGUMENT naming the file if it holds no trunk's weights.
  static absl::Status CheckTrunkWeights(const std::string& path);

  // `loader` must outlive the runtime. Throws what core throws if ResolveDevice refuses the device,
  // or CheckTrunkWeights the file.
  TorchRuntime(const RuntimeOptions& options, domain::ImageLoader* loader);
  ~TorchRuntime() override;

  // DetectorRuntime.
  std::string DefaultProfile() override;
  absl::StatusOr<ProfileInfo> Profile(const domain::DetectorSettings& settings) override;
  absl::StatusOr<domain::ImageHeader> Prepare(const domain::CallContext& call,
                                              const domain::DetectorSettings& detector,
                                              const domain::ImageSource& source) override;
  absl::StatusOr<TrainResult> Train(const TrainRequest& request,
                                    const domain::Progress& progress) override;
  absl::StatusOr<std::vector<domain::ImageSignals>> Embed(
      const std::string& weights_path, const std::vector<domain::Image>& images,
      const domain::Progress& progress) override;
  absl::StatusOr<ReplayResult> Replay(const ReplayRequest& request,
                                      const domain::Progress& progress) override;
  absl::StatusOr<std::vector<Predictions>> Predict(const domain::CallContext& call,
                                                   const std::string& weights_path,
                                                   const std::vector<domain::Image>& images,
                                                   const std::vector<std::string>& bytes,
                                                   const PredictOptions& options) override;
  absl::StatusOr<std::vector<domain::ImageSignals>> Describe(
      std::vector<ExternalPredictions> predictions, int num_classes) override;
  absl::StatusOr<domain::Accuracy> Measure(const std::vector<std::vector<domain::Box>>& truth,
                                           const std::vector<std::vector<domain::Box>>& found,
                                           int num_classes) override;
  absl::StatusOr<std::string> Export(const std::string& weights_path,
                                     const std::map<std::string, std::string>& metadata,
                                     const std::string& path) override;
  absl::StatusOr<ImportReport> Import(const ImportRequest& request) override;

  // SelectionRuntime.
  absl::Status ExpectObjects(const std::vector<domain::ImageSignals>& labeled,
                             const std::vector<std::vector<float>>& labeled_objects,
                             std::vector<domain::ImageSignals>* candidates) override;
  absl::StatusOr<domain::ProbePlan> PlanProbes(const PlanRequest& request) override;
  absl::StatusOr<TableResult> FitTable(const TableRequest& request) override;
  absl::StatusOr<RankResult> Rank(const RankRequest& request,
                                  const domain::Progress& progress) override;
  absl::StatusOr<domain::Gain> EstimateGain(const std::string& table,
                                            const std::vector<std::string>& entries) override;

 private:
  Workplace workplace() const;

  domain::ImageLoader* loader_;
  std::unique_ptr<PretrainedTrunk> trunk_;
  std::unique_ptr<ImageCache> images_;
  std::unique_ptr<FeatureFolder> features_;
  std::unique_ptr<ModelCache> models_;
  std::unique_ptr<TableCache> tables_;
  std::unique_ptr<DeviceExecutor> device_;
  std::unique_ptr<DeviceExecutor> predictions_;
  std::mutex moving_;  // Export and Import hold a whole network in memory
};

}  // namespace mgral::runtime
