#include "server/app/create_pool.h"

#include <random>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "server/app/external_detector.h"
#include "server/app/field_errors.h"
#include "server/base/limits.h"
#include "server/base/status_macros.h"
#include "server/base/text.h"
#include "server/domain/strategy.h"

namespace mgral::app {
namespace {

using domain::Pool;

constexpr size_t kMaxPoolIdBytes = 63;
constexpr int kMaxTrainingSteps = 1'000'000;
constexpr int kMaxProbes = 10'000;
// Costs, and gains divided by a cost other than 0, stay finite.
constexpr double kMinSeconds = 0.001, kMaxSeconds = 86'400;

// 50 random bits, so that collisions are negligible.
std::string RandomPoolId() {
  static constexpr char kLetters[] = "abcdefghijklmnopqrstuvwxyz0123456789";
  std::random_device random;
  std::uniform_int_distribution<int> letter(0, 35);
  std::string id = "pool-";
  for (int i = 0; i < 10; ++i) id += kLetters[letter(random)];
  return id;
}

void CheckPoolId(const std::string& id, FieldErrors* errors) {
  bool good = !id.empty() && id.size() <= kMaxPoolIdBytes && absl::ascii_islower(id[0]);
  for (const char c : id) {
    good = good && (absl::ascii_islower(c) || absl::ascii_isdigit(c) || c == '-');
  }
  if (!good) {
    errors->Add("pool_id",
                "must be 1 to 63 characters of a-z, 0-9 and \"-\" that begin with a letter");
  }
}

void CheckClasses(const std::vector<std::string>& classes, FieldErrors* errors) {
  if (classes.empty()) errors->Add("pool.classes", "is empty: name at least one class");
  if (classes.size() > base::kMaxClasses) {
    errors->Add("pool.classes", absl::StrCat("has ", classes.size(), " classes; at most ",
                                             base::kMaxClasses, " are allowed"));
    return;
  }
  std::set<std::string> seen;
  for (size_t i = 0; i < classes.size(); ++i) {
    const std::string field = absl::StrCat("pool.classes[", i, "]");
    std::string problem = TextProblem(classes[i], base::kMaxClassNameBytes);
    if (absl::StripAsciiWhitespace(classes[i]).empty()) problem = "is empty";
    if (!seen.insert(classes[i]).second) problem = "is repeated in the list";
    if (!problem.empty()) errors->Add(field, problem);
  }
}

void CheckRange(const std::string& field, int value, int min, int max, FieldErrors* errors) {
  if (value >= min && value <= max) return;
  errors->Add(field, absl::StrCat("is ", value, "; it must be from ", min, " to ", max));
}

void CheckSeconds(const std::string& field, double value, FieldErrors* errors) {
  if (value == 0 || (value >= kMinSeconds && value <= kMaxSeconds)) return;
  errors->Add(field, absl::StrCat("is ", value, " seconds; it must be 0 or from ", kMinSeconds,
                                  " to ", kMaxSeconds));
}

// Of a detector that is trained here. Other errors than those of the settings are returned.
absl::Status CheckDetector(const domain::DetectorSettings& detector,
                           domain::DetectorRuntime* runtime, FieldErrors* errors) {
  CheckRange("pool.detector.training_steps", detector.training_steps, 0, kMaxTrainingSteps, errors);
  const auto profile = runtime->Profile(detector);
  if (!absl::IsInvalidArgument(profile.status())) return profile.status();
  for (const base::FieldViolation& problem : base::FieldViolations(profile.status())) {
    errors->Add(absl::StrCat("pool.", problem.field), problem.description);
  }
  return absl::OkStatus();
}

// Refuses settings that have no effect with an external detector, so that nobody relies on them.
void CheckExternal(const Pool& pool, FieldErrors* errors) {
  const std::pair<const char*, bool> without_effect[] = {
      {"detector.warm_start", pool.detector.warm_start},
      {"detector.training_steps", pool.detector.training_steps != 0},
      {"detector.input_size", pool.detector.input_size != 0},
      {"detector.trunk", !pool.detector.trunk.empty()},
      {"selection.probes", pool.selection.probes != 0},
      {"selection.replay_probes", pool.selection.replay_probes != 0},
      {"selection.probe_seconds", pool.selection.probe_seconds != 0}};
  for (const auto& [field, set] : without_effect) {
    if (set) {
      errors->Add(absl::StrCat("pool.", field),
                  "has no effect with an external detector: leave it unset");
    }
  }
}

void SetDefaults(Pool* pool) {
  domain::SelectionSettings& selection = pool->selection;
  const domain::SelectionSettings defaults;
  if (selection.strategy.empty()) {
    selection.strategy =
        pool->detector.external() ? NameOf(domain::Strategy::kEntropy) : defaults.strategy;
  }
  if (selection.batch_size == 0) selection.batch_size = defaults.batch_size;
}

void CheckSelection(const Pool& pool, FieldErrors* errors) {
  const domain::SelectionSettings& selection = pool.selection;
  const absl::Status fits = CheckStrategyFor(pool, selection.strategy, "");
  if (!domain::IsSelectableStrategy(selection.strategy)) {
    errors->Add("pool.selection.strategy",
                absl::StrCat("unknown strategy ", base::Quoted(selection.strategy), ": use one of ",
                             domain::SelectableStrategies()));
  } else if (!fits.ok()) {
    errors->Add("pool.selection.strategy", std::string(fits.message()));
  }
  CheckRange("pool.selection.batch_size", selection.batch_size, 1, base::kMaxQuerySize, errors);
  CheckRange("pool.selection.probes", selection.probes, 0, kMaxProbes, errors);
  CheckRange("pool.selection.replay_probes", selection.replay_probes, -1, kMaxProbes, errors);
  CheckSeconds("pool.selection.probe_seconds", selection.probe_seconds, errors);
  if (selection.replay_probes != 0 && selection.probe_seconds > 0) {
    errors->Add("pool.selection.probe_seconds",
                "is set beside replay_probes: limit the time or the number, not both");
  }
  CheckSeconds("pool.selection.seconds_per_image", selection.seconds_per_image, errors);
  CheckSeconds("pool.selection.seconds_per_box", selection.seconds_per_box, errors);
  if (!(selection.uniform_share >= 0 && selection.uniform_share < 1)) {
    errors->Add(
        "pool.selection.uniform_share",
        absl::StrCat("is ", selection.uniform_share, "; it must be at least 0 and below 1"));
  }
}

}  // namespace

absl::StatusOr<Pool> CreatePool::Run(Pool pool, const domain::RequestKey& request) {
  FieldErrors errors;
  if (pool.pool_id.empty()) pool.pool_id = RandomPoolId();
  CheckPoolId(pool.pool_id, &errors);
  const std::string name_problem = TextProblem(pool.display_name, base::kMaxTextBytes);
  if (!name_problem.empty()) errors.Add("pool.display_name", name_problem);
  CheckClasses(pool.classes, &errors);

  if (pool.detector.profile.empty()) pool.detector.profile = runtime_->DefaultProfile();
  if (pool.detector.external()) {
    CheckExternal(pool, &errors);
  } else {
    MGRAL_RETURN_IF_ERROR(CheckDetector(pool.detector, runtime_, &errors));
  }
  SetDefaults(&pool);
  CheckSelection(pool, &errors);
  if (!errors.empty()) return errors.ToStatus();
  return pools_->CreatePool(pool, request);
}

}  // namespace mgral::app
