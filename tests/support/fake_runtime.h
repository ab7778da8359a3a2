#pragma once

#include <string>
#include <vector>

#include "server/base/errors.h"
#include "server/domain/model_runtime.h"

namespace mgral::test {

// Knows the profiles, and says that a batch is worth 0.01 for each of its images. All else is
// UNIMPLEMENTED.
class FakeRuntime : public domain::ModelRuntime {
 public:
  absl::StatusOr<ProfileInfo> Profile(const std::string& name) override {
    for (const char* known : {"micro", "tiny", "small", "base", "large"}) {
      if (name == known) return ProfileInfo{};
    }
    return base::InvalidField("profile", "unknown");
  }
  absl::StatusOr<domain::Gain> EstimateGain(const std::string&,
                                            const std::vector<std::string>& entries) override {
    domain::Gain gain;
    gain.mean = 0.01 * static_cast<double>(entries.size());
    return gain;
  }
  absl::StatusOr<TrainResult> Train(const TrainRequest&, const domain::Progress&) override {
    return absl::UnimplementedError("");
  }
  absl::StatusOr<std::vector<domain::ImageSignals>> Embed(const std::string&,
                                                          const std::vector<domain::Image>&,
                                                          const domain::Progress&) override {
    return absl::UnimplementedError("");
  }
  absl::StatusOr<Plan> PlanProbes(const PlanRequest&) override {
    return absl::UnimplementedError("");
  }
  absl::StatusOr<ProbeResponse> RunProbe(const ProbeRequest&, const domain::Progress&) override {
    return absl::UnimplementedError("");
  }
  absl::StatusOr<TableResult> FitTable(const TableRequest&) override {
    return absl::UnimplementedError("");
  }
  absl::StatusOr<RankResult> Rank(const RankRequest&, const domain::Progress&) override {
    return absl::UnimplementedError("");
  }
  absl::StatusOr<std::vector<Predictions>> Predict(const std::string&,
                                                   const std::vector<domain::Image>&,
                                                   const std::vector<std::string>&,
                                                   double) override {
    return absl::UnimplementedError("");
  }
};

}  // namespace mgral::test
