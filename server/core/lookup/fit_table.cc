#include "server/core/lookup/fit_table.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "server/core/lookup/batch_state.h"
#include "server/core/lookup/choose_pairs.h"
#include "server/core/lookup/fidelity.h"
#include "server/core/lookup/prior.h"
#include "server/core/lookup/regression.h"
#include "server/core/lookup/response_surface.h"

namespace mgral::core {
namespace {

constexpr int kLinearizations = 3;

double Rho(double tightness) {
  const double square = tightness * tightness;
  return prior::kMostRho * square / (square + prior::kTight * prior::kTight);
}

// [O, K] of phi, or of psi, for the observations' counts.
Matrix Occupancy(const std::vector<const Observation*>& observations,
                 const std::vector<double>& rho, bool phi) {
  Matrix out(static_cast<int64_t>(observations.size()), static_cast<int64_t>(rho.size()));
  for (int64_t o = 0; o < out.rows; ++o) {
    for (int64_t k = 0; k < out.cols; ++k) {
      const double psi = 1 - std::pow(rho[k], observations[o]->cell_counts[k]);
      out(o, k) = phi ? psi / (1 - rho[k]) : psi;
    }
  }
  return out;
}

// Mean of each feature over the candidates and the classes; 1 where there is none.
std::vector<double> FeatureScales(const ImageFeatures& features) {
  std::vector<double> scale(kNumFeatures, 0.0);
  for (size_t i = 0; i < features.values.size(); ++i) {
    scale[i % kNumImageFeatures] += features.values[i];
  }
  for (double& value : scale) {
    value = value > 0 ? value * kNumImageFeatures / static_cast<double>(features.values.size()) : 1;
  }
  return scale;
}

class Fit {
 public:
  explicit Fit(const TableInput& input) : input_(input) {
    for (const Observation& observation : input.observations) {
      (observation.kind == ObservationKind::kSemiSupervised ? responses_ : truths_)
          .push_back(&observation);
    }
  }

  LookupTable Run() {
    Describe();
    BuildTruth();
    std::vector<PairTerm> pairs;
    Hyper hyper;
    Posterior posterior;
    // h is linearized around the last prediction (equation 21, Gauss-Newton): inverting it for a
    // noisy response would magnify noise close to AP 1.
    for (int round = 0; round < kLinearizations; ++round) {
      Linearize(round == 0 ? nullptr : &posterior, hyper, pairs);
      hyper = ChooseHyper(truth_, pairs);
      pairs = ChoosePairs(truth_, hyper);
      posterior = Solve(truth_, hyper, pairs);
      if (truths_.empty()) break;
    }
    const TableFidelity measured = MeasureFidelity(truth_, truths_, head_, hyper, !pairs.empty());
    const double response_fidelity = table_.fidelity.response_fidelity;
    const int64_t response_batches = table_.fidelity.response_batches;
    table_.fidelity = measured;
    table_.fidelity.response_fidelity = response_fidelity;
    table_.fidelity.response_batches = response_batches;
    Fill(hyper, pairs, posterior);
    AppendImages(input_.clustering.assignment, features_, &table_);
    return std::move(table_);
  }

 private:
  int64_t classes() const { return input_.candidates.classes; }
  int64_t cells() const { return input_.clustering.cells.count; }

  // Everything that does not depend on the truth: cells, features, response, units.
  void Describe() {
    table_.classes = classes();
    table_.cells = input_.clustering.cells;
    table_.class_ap = input_.class_ap;
    table_.lambda = prior::kWithinCell;
    table_.rarity = ClassRarity(input_.labeled_objects);
    for (double tightness : table_.cells.tightness) table_.rho.push_back(Rho(tightness));
    features_ = ComputeFeaturesWithRarity(input_.candidates, table_.rarity);
    table_.scale = FeatureScales(features_);
    kernel_ = CellKernel(table_.cells);
    response_ =
        FitResponse(responses_, Occupancy(responses_, table_.rho, true), kernel_, classes());
    table_.scale[kResponse] = response_.scale;
    table_.fidelity.response_fidelity = response_.fidelity;
    table_.fidelity.response_batches = response_.batches;
    raw_means_ = CellMeanFeatures(table_.cells, input_.clustering.assignment, features_);
    table_.cell_features.resize(cells() * classes() * kNumFeatures);
    for (int64_t kc = 0; kc < cells() * classes(); ++kc) {
      for (int f = 0; f < kNumFeatures; ++f) {
        table_.cell_features[kc * kNumFeatures + f] =
            (f < kNumImageFeatures ? raw_means_[kc * kNumImageFeatures + f]
                                   : response_.response[kc]) /
            table_.scale[f];
      }
    }
    const double labels =
        std::max(prior::kFewestLabels, static_cast<double>(input_.labeled_images));
    for (double ap : input_.class_ap) {
      table_.unit.push_back(prior::kUnit * std::max(prior::kLeastHead, 1 - ap) / labels);
    }
  }

  double TruthFeature(int64_t o, int64_t c, int f) const {
    const Observation& observation = *truths_[o];
    const std::vector<double>& means =
        observation.cell_features.empty() ? raw_means_ : observation.cell_features;
    double sum = f < kNumImageFeatures
                     ? table_.lambda * observation.deviation_sum[c * kNumImageFeatures + f]
                     : 0.0;
    for (int64_t k = 0; k < cells(); ++k) {
      const int64_t kc = k * classes() + c;
      sum += truth_.phi(o, k) *
             (f < kNumImageFeatures ? means[kc * kNumImageFeatures + f] : response_.response[kc]);
    }
    return sum / table_.scale[f];
  }

  void BuildTruth() {
    truth_.classes = classes();
    truth_.unit = table_.unit;
    truth_.kernel = kernel_;
    truth_.phi = Occupancy(truths_, table_.rho, true);
    truth_.psi = Occupancy(truths_, table_.rho, false);
    double prior_gain[2] = {0, 0}, count[2] = {0, 0};
    for (const Observation* observation : truths_) {
      truth_.kind.push_back(observation->kind == ObservationKind::kReplay ? 0 : 1);
    }
    for (int64_t c = 0; c < classes(); ++c) {
      truth_.x.emplace_back(truth_.rows(), kNumFeatures);
      for (int64_t o = 0; o < truth_.rows(); ++o) {
        for (int f = 0; f < kNumFeatures; ++f) {
          truth_.x[c](o, f) = TruthFeature(o, c, f);
          prior_gain[truth_.kind[o]] += prior::kWeight[f] * truth_.x[c](o, f);
        }
        count[truth_.kind[o]] += 1;
      }
    }
    for (int kind : truth_.kind) {
      truth_.intercept.push_back((kind == 0 ? prior::kReplayIntercept : prior::kRealizedIntercept) *
                                 std::max(0.0, prior_gain[kind]) / count[kind]);
    }
    head_.assign(classes(), std::vector<double>(truth_.rows()));
    for (int64_t c = 0; c < classes(); ++c) {
      for (int64_t o = 0; o < truth_.rows(); ++o) {
        const std::vector<double>& base = truths_[o]->base_ap;
        head_[c][o] =
            std::max(prior::kLeastHead, 1 - (base.empty() ? input_.class_ap[c] : base[c]));
      }
    }
    SetVariances();
  }

  // Given by the caller; else from repeats; else the spread of the responses, which the search of
  // the noise multiple may then lower.
  void SetVariances() {
    bool guessed = false;
    variance_.assign(classes(), std::vector<double>(truth_.rows()));
    for (int64_t c = 0; c < classes(); ++c) {
      const double unknown = UnknownVariance(c, &guessed);
      for (int64_t o = 0; o < truth_.rows(); ++o) {
        const std::vector<double>& given = truths_[o]->variance;
        variance_[c][o] = given.empty() || given[c] <= 0 ? unknown : given[c];
      }
    }
    truth_.noise_center = guessed ? 0.5 : 1.0;
  }

  double UnknownVariance(int64_t c, bool* guessed) const {
    std::map<int64_t, std::vector<double>> repeats;
    std::vector<double> all;
    bool needed = false;
    for (const Observation* observation : truths_) {
      const bool given = !observation->variance.empty() && observation->variance[c] > 0;
      needed = needed || !given;
      if (given && !std::isfinite(observation->variance[c])) continue;
      all.push_back(observation->response[c]);
      if (observation->batch_id >= 0) {
        repeats[observation->batch_id].push_back(observation->response[c]);
      }
    }
    if (!needed) return prior::kUnknownVariance;
    const auto squares = [](const std::vector<double>& values) {
      double mean = 0, sum = 0;
      for (double value : values) mean += value / static_cast<double>(values.size());
      for (double value : values) sum += (value - mean) * (value - mean);
      return sum;
    };
    double within = 0;
    int64_t freedom = 0;
    for (const auto& [id, values] : repeats) {
      within += squares(values);
      freedom += static_cast<int64_t>(values.size()) - 1;
    }
    if (freedom >= prior::kFewestObservations && within > 0) {
      return within / static_cast<double>(freedom);
    }
    *guessed = true;
    if (all.size() < static_cast<size_t>(prior::kFewestObservations)) {
      return prior::kUnknownVariance;
    }
    return std::max(1e-8, squares(all) / static_cast<double>(all.size() - 1));
  }

  void Linearize(const Posterior* posterior, const Hyper& hyper,
                 const std::vector<PairTerm>& pairs) {
    truth_.y.assign(classes(), std::vector<double>(truth_.rows()));
    truth_.variance = truth_.y;
    for (int64_t c = 0; c < classes(); ++c) {
      for (int64_t o = 0; o < truth_.rows(); ++o) {
        const double x = posterior ? PredictRow(truth_, *posterior, hyper, pairs, o, c) : 0.0;
        const double slope = std::max(0.2, SaturateSlope(x, head_[c][o]));
        truth_.y[c][o] = x + (truths_[o]->response[c] - Saturate(x, head_[c][o])) / slope;
        truth_.variance[c][o] = variance_[c][o] / (slope * slope);
      }
    }
  }

  void Fill(const Hyper& hyper, const std::vector<PairTerm>& pairs, const Posterior& posterior) {
    table_.noise = hyper.noise;
    table_.amplitude = hyper.amplitude;
    table_.level = hyper.level;
    for (double& unit : table_.unit) unit *= hyper.level;
    for (const PairTerm& pair : pairs) table_.pairs.push_back(pair.cells);
    table_.shared_factor = posterior.shared_factor.values;
    table_.cell_gain.resize(cells() * classes());
    table_.pair_gain.resize(pairs.size() * classes());
    for (int64_t c = 0; c < classes(); ++c) {
      const ClassPosterior& own = posterior.classes[c];
      const double* weight = &own.mean[cells()];
      table_.weights.insert(table_.weights.end(), weight, weight + kNumFeatures);
      for (int64_t k = 0; k < cells(); ++k) {
        double gain = own.mean[k];
        for (int f = 0; f < kNumFeatures; ++f) {
          gain += table_.unit[c] * weight[f] *
                  table_.cell_features[(k * classes() + c) * kNumFeatures + f];
        }
        table_.cell_gain[k * classes() + c] = static_cast<float>(gain);
      }
      for (size_t p = 0; p < pairs.size(); ++p) {
        table_.pair_gain[p * classes() + c] = static_cast<float>(weight[kNumFeatures + p]);
      }
      const Matrix lower = Cholesky(own.covariance);
      for (int64_t r = 0; r < lower.rows; ++r) {
        for (int64_t j = 0; j <= r; ++j) table_.factor.push_back(static_cast<float>(lower(r, j)));
      }
      for (double value : own.coupling.values) {
        table_.coupling.push_back(static_cast<float>(value));
      }
    }
  }

  const TableInput& input_;
  std::vector<const Observation*> responses_, truths_;
  ImageFeatures features_;
  std::vector<double> raw_means_;  // [K, C, kNumImageFeatures]
  Matrix kernel_;
  ResponseSurface response_;
  Truth truth_;
  std::vector<std::vector<double>> head_, variance_;  // [C][O]
  LookupTable table_;
};

}  // namespace

LookupTable FitTable(const TableInput& input) {
  CheckInput(input);
  return Fit(input).Run();
}

}  // namespace mgral::core
