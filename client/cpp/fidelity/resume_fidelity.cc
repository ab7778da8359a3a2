#include "client/cpp/fidelity/resume_fidelity.h"

#include <algorithm>
#include <iterator>

#include "absl/strings/str_cat.h"

namespace mgral::client {
namespace {

using ProtocolJson = nlohmann::ordered_json;

absl::Status Other(const std::string& what, const ProtocolJson& found, const ProtocolJson& wanted) {
  const auto text = [](const ProtocolJson& value) {
    return value.dump(-1, ' ', false, ProtocolJson::error_handler_t::replace);
  };
  return absl::FailedPreconditionError(absl::StrCat("--resume: the fidelity.json in --out has ",
                                                    what, " ", text(found), ", not ", text(wanted),
                                                    "; choose another --out"));
}

// What may change without a change of the batches, their estimates, or what was trained on them.
bool MayChange(const std::string& key) {
  static const char* const kKeys[] = {"training_seeds", "base_seeds", "also_profile",
                                      "also_batches"};
  return std::find(std::begin(kKeys), std::end(kKeys), key) != std::end(kKeys);
}

}  // namespace

ProtocolJson DescribeFidelity(const FidelityOptions& options, const Partition& partition,
                              const Dataset& dataset) {
  const SimulateOptions& replay = options.replay;
  const auto or_default = [](int value) {
    return value == 0 ? ProtocolJson("profile's own") : ProtocolJson(value);
  };
  return {
      {"batches", options.batches},
      {"smallest_batch", options.smallest},
      {"largest_batch", options.largest},
      {"strategies", options.strategies},
      {"seed", options.seed},
      {"training_seeds", replay.seeds},
      {"base_seeds", BaseSeeds(options)},
      {"initial_labels", replay.initial},
      {"profile", replay.profile},
      {"also_profile", options.also_profile},
      {"also_batches", std::min(options.also_batches, options.batches)},
      {"training_steps", or_default(replay.training_steps)},
      {"input_size", or_default(replay.input_size)},
      {"replay_probes", or_default(replay.replay_probes)},
      {"seconds_per_image", replay.seconds_per_image},
      {"seconds_per_box", replay.seconds_per_box},
      {"images", dataset.images.size()},
      {"pool_images", partition.train.size()},
      {"validation_images", partition.validation.size()},
      {"test_images", partition.test.size()},
      {"split", partition.seeded_split ? "drawn by mgral fidelity, 60 : 15 : 25" : "the dataset's"},
      {"measured_by", "mgral fidelity, VOC AP@.5 (area) on test images"}};
}

absl::StatusOr<FidelityResults> GoOnWith(FidelityResults found, FidelityResults wanted) {
  if (found.dataset != wanted.dataset) return Other("dataset", found.dataset, wanted.dataset);
  if (found.classes != wanted.classes) return Other("classes", found.classes, wanted.classes);
  for (const auto& [key, value] : wanted.protocol.items()) {
    const auto at = found.protocol.find(key);
    const ProtocolJson other = at == found.protocol.end() ? ProtocolJson(nullptr) : *at;
    // Without an option the server's default profile is meant, which the file names.
    if (other == value || (key == "profile" && value == "")) continue;
    if (!MayChange(key)) return Other(key, other, value);
    found.protocol[key] = value;
  }
  return found;
}

}  // namespace mgral::client
