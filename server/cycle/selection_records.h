#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/domain/selection_runtime.h"

// What the stages from kPlan on leave for one another. The rules are those of records.h.
namespace mgral::cycle {

absl::StatusOr<std::string> SerializePlan(const domain::ProbePlan& plan);
absl::StatusOr<domain::ProbePlan> ParsePlan(absl::string_view bytes);

absl::StatusOr<std::string> SerializeReplayBase(const domain::ReplayBase& base);
absl::StatusOr<domain::ReplayBase> ParseReplayBase(absl::string_view bytes);

// A fitted table, in parts: a record of its own for each `kImagesPerTablePart` candidates, named by
// the hashes in `images` (TableResult::cells, entries and expected_gain are empty in the first
// part).
struct TableParts {
  domain::SelectionRuntime::TableResult table;
  std::vector<std::string> images;
};
absl::StatusOr<std::string> SerializeTable(const TableParts& parts);
absl::StatusOr<TableParts> ParseTable(absl::string_view bytes);
constexpr size_t kImagesPerTablePart = 10000;
// Of the candidates [begin, end). ParseTableImages appends to `table`.
absl::StatusOr<std::string> SerializeTableImages(const domain::SelectionRuntime::TableResult& table,
                                                 size_t begin, size_t end);
absl::Status ParseTableImages(absl::string_view bytes,
                              domain::SelectionRuntime::TableResult* table);

// kSelector's result.
struct RankedPool {
  std::vector<std::pair<std::string, std::string>> queues;  // strategy, artifact with its keys
  std::string selector_sha256;                              // empty without a selector
  double selector_gain = 0, greedy_gain = 0;
};
absl::StatusOr<std::string> SerializeRankedPool(const RankedPool& ranked);
absl::StatusOr<RankedPool> ParseRankedPool(absl::string_view bytes);

// The images of a queue by their keys.
struct RankedQueue {
  std::vector<int64_t> image_keys;  // best first
  std::vector<bool> uniform;        // of each: drawn at random instead of ranked there
};
absl::StatusOr<std::string> SerializeQueue(const RankedQueue& queue);
absl::StatusOr<RankedQueue> ParseQueue(absl::string_view bytes);

}  // namespace mgral::cycle
