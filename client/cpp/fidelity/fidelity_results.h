// What `mgral fidelity` measured: the content of fidelity.json. Gains are changes of AP@.5 in
// [-1, 1]; 0.01 is one point.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/cpp/report/results.h"

namespace mgral::client {

// Of the mAP or of a class's AP, as the look-up table said before anything was trained.
struct EstimatedGain {
  double mean = 0;
  double standard_error = 0;
};

// Images whose labels' worth is estimated, and measured.
struct TrialBatch {
  std::string kind;  // as composed: NameOf(BatchKind)
  std::string of;    // the class, or the strategy that chose it; empty for other kinds
  std::vector<std::string> images;
  int64_t boxes = 0;  // true ones, in all images
  EstimatedGain estimate;
  std::vector<EstimatedGain> classes;  // in the dataset's order; may be empty
};

// The test images that an accuracy is of.
enum TestPart { kFirstHalf, kSecondHalf, kAllTest, kTestParts };

struct TrainingKey {
  std::string profile;  // empty: the one that the table is of
  int64_t seed = 0;
  int batch = -1;  // position in FidelityResults::batches; -1: the initial labels alone

  bool operator<(const TrainingKey& other) const {
    return std::tie(profile, seed, batch) < std::tie(other.profile, other.seed, other.batch);
  }
};

struct Training {
  std::array<Number, kTestParts> map50;                    // missing without objects
  std::array<std::vector<Number>, kTestParts> class_ap50;  // in the dataset's order
  double seconds = 0;                                      // of its cycle
};

struct FidelityResults {
  std::string dataset;
  std::vector<std::string> classes;
  nlohmann::ordered_json protocol = nlohmann::ordered_json::object();
  // About the look-up table that made the estimates: name of its model, probes, the server's own
  // figures.
  nlohmann::ordered_json table = nlohmann::ordered_json::object();
  std::vector<TrialBatch> batches;
  std::map<TrainingKey, Training> trainings;
};

// `summary` is appended as it is: Summarize of fidelity_summary.h makes it.
absl::Status WriteFidelity(const FidelityResults& results, const nlohmann::ordered_json& summary,
                           const std::string& file);
// Errors name the file and what is wrong in it. The summary is not read.
absl::StatusOr<FidelityResults> ReadFidelity(const std::string& file);

nlohmann::ordered_json FidelityToJson(const FidelityResults& results);

}  // namespace mgral::client
