#include "server/core/lookup/fit_table.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>

#include "server/core/lookup/fidelity.h"
#include "server/core/lookup/gain_level.h"
#include "server/core/lookup/prior.h"

namespace mgral::core {
namespace {

enum class Values { kFinite, kNotNegative, kMaybeUnknown };  // the last: NaN is allowed

void CheckValues(const std::vector<double>& values, int64_t wanted, Values kind,
                 const std::string& field) {
  if (static_cast<int64_t>(values.size()) != wanted) {
    throw std::invalid_argument(field + ": has a wrong number of values");
  }
  for (const double value : values) {
    if (std::isnan(value) && kind == Values::kMaybeUnknown) continue;
    if (!std::isfinite(value)) {
      throw std::invalid_argument(field + ": holds a value that is not finite");
    }
    if (value < 0 && kind == Values::kNotNegative) {
      throw std::invalid_argument(field + ": holds a negative value");
    }
  }
}

void CheckProbe(const ReplayProbe& probe, int64_t classes, const std::string& name) {
  CheckValues(probe.features, classes * kNumFeatures, Values::kNotNegative, name + ".features");
  CheckValues(probe.response, classes, Values::kMaybeUnknown, name + ".response");
  CheckValues(probe.held_positives, classes, Values::kNotNegative, name + ".held_positives");
  if (probe.half_response[0].empty() && probe.half_response[1].empty()) return;
  for (const std::vector<double>& half : probe.half_response) {
    CheckValues(half, classes, Values::kMaybeUnknown, name + ".half_response");
  }
}

void CheckRealized(const RealizedGain& gain, int64_t classes, const std::string& name) {
  CheckValues(gain.features, classes * kNumFeatures, Values::kNotNegative, name + ".features");
  CheckValues(gain.class_ap, classes, Values::kMaybeUnknown, name + ".class_ap");
  CheckValues(gain.class_gain, classes, Values::kMaybeUnknown, name + ".class_gain");
}

// kappa ~ N(kappa0, sd^2) times the level, and realized mean gains are kappa times what kappa = 1
// predicts.
void FitKappa(const std::vector<RealizedGain>& realized, LookupTable* table) {
  const double noise = prior::kRealizedNoise * prior::kRealizedNoise;
  double precision = std::pow(table->level * prior::kKappaSd, -2);
  double pull = precision * table->level * prior::kKappa;
  for (const RealizedGain& gain : realized) {
    double predicted = 0, measured = 0, known = 0;
    for (int64_t c = 0; c < table->classes; ++c) {
      if (std::isnan(gain.class_gain[c])) continue;
      for (int f = 0; f < kNumFeatures; ++f) {
        const int64_t at = c * kNumFeatures + f;
        predicted += ApSlope(gain.class_ap[c]) * gain.features[at] * table->weights[at];
      }
      measured += gain.class_gain[c];
      known += 1;
    }
    if (known == 0) continue;
    predicted /= known;
    measured /= known;
    precision += predicted * predicted / noise;
    pull += predicted * measured / noise;
  }
  table->kappa = std::max(prior::kLeastKappa, pull / precision);
  table->kappa_sd = 1 / std::sqrt(precision);
}

void SetWeights(const WeightPosterior& posterior, LookupTable* table) {
  table->shared_weights = posterior.shared_mean;
  table->shared_covariance = posterior.shared_covariance.values;
  table->weights.clear();
  table->class_covariance.clear();
  table->coupling.clear();
  const auto append = [](const std::vector<double>& from, std::vector<double>* to) {
    to->insert(to->end(), from.begin(), from.end());
  };
  for (const ClassPosterior& of_class : posterior.classes) {
    append(of_class.mean, &table->weights);
    append(of_class.covariance.values, &table->class_covariance);
    append(of_class.coupling.values, &table->coupling);
  }
}

}  // namespace

LookupTable FitTable(LookupTable table, const std::vector<ReplayProbe>& probes,
                     const std::vector<RealizedGain>& realized) {
  ProbeRows rows;
  for (size_t p = 0; p < probes.size(); ++p) {
    CheckProbe(probes[p], table.classes, "probes[" + std::to_string(p) + "]");
    rows.push_back(&probes[p]);
  }
  for (size_t r = 0; r < realized.size(); ++r) {
    CheckRealized(realized[r], table.classes, "realized[" + std::to_string(r) + "]");
  }
  const Hyper hyper = ChooseHyper(rows, table.classes);
  if (hyper.informative) {
    SetWeights(SolveWeights(rows, table.classes, hyper), &table);
    table.noise = hyper.noise;
    table.offset_sd = hyper.offset_sd;
    table.class_sd = hyper.class_sd;
  }
  const RandomGain random = GainOfRandomBatches(table);
  table.random_gain = random.per_weight;
  table.level = random.level;
  FitKappa(realized, &table);
  table.fidelity = MeasureFidelity(rows, table.classes, hyper);
  CheckTable(table);
  return table;
}

}  // namespace mgral::core
