#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/domain/model_runtime.h"

// What stages leave for later stages, as the bytes of artifacts. The readers refuse anything that
// the writers did not write (DATA_LOSS) and never allocate more than the input warrants.
namespace mgral::cycle {

// The labelled images that a cycle trains and measures on.
struct CycleExamples {
  std::vector<domain::Example> training, validation;
};
std::string WriteExamples(const CycleExamples& examples);
absl::StatusOr<CycleExamples> ReadExamples(absl::string_view bytes);

// Images to embed: key, id and source only.
std::string WriteImages(const std::vector<domain::Image>& images);
absl::StatusOr<std::vector<domain::Image>> ReadImages(absl::string_view bytes);

// Embeddings, signals and predictions.
std::string WriteSignals(const std::vector<domain::ImageSignals>& signals);
absl::StatusOr<std::vector<domain::ImageSignals>> ReadSignals(absl::string_view bytes);

// A plan, with the images of each probe's batch.
struct CyclePlan {
  domain::ModelRuntime::Plan plan;
  std::vector<std::vector<domain::Image>> images;  // one list per plan.probes
};
std::string WritePlan(const CyclePlan& plan);
absl::StatusOr<CyclePlan> ReadPlan(absl::string_view bytes);

// A fitted table with its entries.
std::string WriteTable(const domain::ModelRuntime::TableResult& table);
absl::StatusOr<domain::ModelRuntime::TableResult> ReadTable(absl::string_view bytes);

// The keys of a queue.
std::string WriteKeys(const std::vector<int64_t>& keys);
absl::StatusOr<std::vector<int64_t>> ReadKeys(absl::string_view bytes);

}  // namespace mgral::cycle
