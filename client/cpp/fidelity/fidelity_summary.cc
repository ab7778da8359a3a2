#include "client/cpp/fidelity/fidelity_summary.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "absl/strings/str_cat.h"
#include "client/cpp/report/statistics.h"

namespace mgral::client {
namespace {

// In draws of the bootstrap, less agreement than this counts as this: else the quotient has no end.
constexpr double kLeastTestRetest = 0.01;

std::set<int64_t> SeedsOf(const FidelityResults& results, const std::string& profile) {
  std::set<int64_t> seeds;
  for (const auto& [key, training] : results.trainings) {
    if (key.profile == profile && key.batch >= 0) seeds.insert(key.seed);
  }
  return seeds;
}

// Positions of the batches that were trained on with this seed.
std::set<int> BatchesOf(const FidelityResults& results, const std::string& profile, int64_t seed) {
  std::set<int> batches;
  for (const auto& [key, training] : results.trainings) {
    if (key.profile == profile && key.seed == seed && key.batch >= 0) batches.insert(key.batch);
  }
  return batches;
}

// `accuracy` of the trainings with the initial labels alone.
template <typename Accuracy>
Values BasesOf(const FidelityResults& results, const std::string& profile,
               const Accuracy& accuracy) {
  Values bases;
  for (const auto& [key, training] : results.trainings) {
    if (key.profile != profile || key.batch >= 0) continue;
    if (const Number number = accuracy(training)) bases.push_back(*number);
  }
  return bases;
}

// Of each part of the test. Both halves have objects, so that no training lacks a figure.
std::array<Values, kTestParts> GainsOf(const FidelityResults& results, const std::string& profile,
                                       int64_t seed, const std::vector<int>& batches) {
  std::array<Values, kTestParts> gains;
  for (size_t part = 0; part < kTestParts; ++part) {
    const auto accuracy = [part](const Training& training) { return training.map50[part]; };
    const double base = Mean(BasesOf(results, profile, accuracy)).value_or(0);
    for (const int batch : batches) {
      gains[part].push_back(accuracy(results.trainings.at({profile, seed, batch})).value_or(base) -
                            base);
    }
  }
  return gains;
}

Number Deviation(const Values& values) {
  const Number variance = Variance(values);
  return variance ? Number(std::sqrt(*variance)) : std::nullopt;
}

Predictor PredictorOf(const std::string& name, Values TruthSample::*values,
                      const TruthSample& sample) {
  Predictor predictor;
  predictor.name = name;
  predictor.rank = Bootstrap(sample, true, [=](const TruthSample& each) {
    return RankCorrelation(each.*values, each.real);
  });
  if (values == &TruthSample::images) return predictor;
  predictor.given_size = Bootstrap(sample, true, [=](const TruthSample& each) {
    return PartialRankCorrelation(each.*values, each.real, each.images);
  });
  predictor.within_terciles = Bootstrap(sample, true, [=](const TruthSample& each) {
    return RankCorrelationWithin(each.*values, each.real, Terciles(each.images));
  });
  return predictor;
}

void AddCorrelations(const MeasuredTruth& truth, FidelitySummary* summary) {
  const TruthSample& sample = truth.sample;
  const int seeds = static_cast<int>(truth.seeds.size());
  const auto ceiling = [seeds](const TruthSample& each) {
    const Number r = TestRetest(each);
    return r ? Ceiling(std::max(kLeastTestRetest, *r), seeds) : Number();
  };
  summary->predictors = {PredictorOf("estimate", &TruthSample::estimate, sample),
                         PredictorOf("images", &TruthSample::images, sample),
                         PredictorOf("boxes", &TruthSample::boxes, sample)};
  summary->test_retest = Bootstrap(sample, false, TestRetest);
  if (summary->test_retest.value.value_or(0) < kLeastTestRetest) return;
  summary->ceiling = Bootstrap(sample, false, ceiling);
  summary->disattenuated = Bootstrap(sample, false, [&](const TruthSample& each) {
    const Number rank = RankCorrelation(each.estimate, each.real);
    const Number most = ceiling(each);
    return rank && most ? Number(*rank / *most) : Number();
  });
}

void AddCalibration(const TruthSample& sample, FidelitySummary* summary) {
  const auto figure = [&](Number Regression::*part) {
    return Bootstrap(sample, true, [part](const TruthSample& each) {
      return Regress(each.estimate, each.real).*part;
    });
  };
  summary->slope_through_origin = figure(&Regression::through_origin);
  summary->slope = figure(&Regression::slope);
  summary->intercept = figure(&Regression::intercept);
  summary->coverage = CoverageOf95(sample, 0);
  if (const auto noise = EstimateNoise(sample)) {
    summary->coverage_with_noise = CoverageOf95(sample, noise->of_batch + noise->of_base);
  }
}

void AddChoices(const TruthSample& sample, FidelitySummary* summary) {
  summary->choice_of_all = ChoiceOf(sample.estimate, sample.real);
  summary->choice = Choice();
  for (const Choice& choice : ChoicesBySize(sample)) {
    summary->choices.push_back(choice);
    summary->choice->chosen += choice.chosen / 3;
    summary->choice->mean += choice.mean / 3;
    summary->choice->best += choice.best / 3;
  }
}

ClassFigures FiguresOfClass(const FidelityResults& results, const MeasuredTruth& truth, size_t k) {
  const auto accuracy = [k](const Training& training) {
    const std::vector<Number>& classes = training.class_ap50[kAllTest];
    return k < classes.size() ? classes[k] : Number();
  };
  Values estimates, gains;
  const Number base = Mean(BasesOf(results, "", accuracy));
  for (const int batch : truth.batches) {
    const TrialBatch& trial = results.batches[static_cast<size_t>(batch)];
    Values of_seeds;
    for (const int64_t seed : truth.seeds) {
      const Number with = accuracy(results.trainings.at({"", seed, batch}));
      if (with && base) of_seeds.push_back(*with - *base);
    }
    if (k >= trial.classes.size() || of_seeds.empty()) continue;
    estimates.push_back(trial.classes[k].mean);
    gains.push_back(*Mean(of_seeds));
  }
  ClassFigures figures{results.classes[k], static_cast<int64_t>(gains.size()), {}, {}};
  figures.sigma_gain = Deviation(gains);
  if (figures.batches >= kFewestBatches) figures.rank = RankCorrelation(estimates, gains);
  return figures;
}

std::optional<OtherProfile> OtherOf(const FidelityResults& results, const MeasuredTruth& truth) {
  const auto name = results.protocol.find("also_profile");
  if (name == results.protocol.end() || !name->is_string() || *name == "") return std::nullopt;
  OtherProfile other;
  other.profile = name->get<std::string>();
  const MeasuredTruth also = TruthOf(results, other.profile);
  TruthSample both;  // the other profile's gains in place of the estimates
  for (size_t i = 0; i < also.batches.size(); ++i) {
    const auto at = std::find(truth.batches.begin(), truth.batches.end(), also.batches[i]);
    if (at == truth.batches.end()) continue;
    both.estimate.push_back(also.sample.real[i]);
    both.real.push_back(truth.sample.real[static_cast<size_t>(at - truth.batches.begin())]);
  }
  both.standard_error = both.images = both.boxes = Values(both.size());
  other.batches = static_cast<int64_t>(both.size());
  other.seeds = static_cast<int64_t>(also.seeds.size());
  other.mean_gain = Mean(both.estimate);
  other.sigma_gain = Deviation(both.estimate);
  if (other.batches >= kFewestBatches) {
    other.rank = Bootstrap(both, false, [](const TruthSample& each) {
      return RankCorrelation(each.estimate, each.real);
    });
  }
  return other;
}

}  // namespace

MeasuredTruth TruthOf(const FidelityResults& results, const std::string& profile) {
  MeasuredTruth truth;
  TruthSample& sample = truth.sample;
  sample.bases =
      BasesOf(results, profile, [](const Training& training) { return training.map50[kAllTest]; });
  if (sample.bases.empty()) return truth;
  std::set<int> most;
  const std::set<int64_t> seeds = SeedsOf(results, profile);
  for (const int64_t seed : seeds) {
    std::set<int> batches = BatchesOf(results, profile, seed);
    if (batches.size() > most.size()) most = std::move(batches);
  }
  for (const int64_t seed : seeds) {
    if (BatchesOf(results, profile, seed) == most) truth.seeds.push_back(seed);
  }
  truth.batches.assign(most.begin(), most.end());
  for (const int batch : truth.batches) {
    const TrialBatch& trial = results.batches[static_cast<size_t>(batch)];
    sample.estimate.push_back(trial.estimate.mean);
    sample.standard_error.push_back(trial.estimate.standard_error);
    sample.images.push_back(static_cast<double>(trial.images.size()));
    sample.boxes.push_back(static_cast<double>(trial.boxes));
  }
  sample.real.assign(most.size(), 0);
  for (const int64_t seed : truth.seeds) {
    sample.gains.push_back(GainsOf(results, profile, seed, truth.batches));
    for (size_t i = 0; i < sample.real.size(); ++i) {
      sample.real[i] += sample.gains.back()[kAllTest][i] / static_cast<double>(truth.seeds.size());
    }
  }
  return truth;
}

FidelitySummary Summarize(const FidelityResults& results) {
  const MeasuredTruth truth = TruthOf(results);
  FidelitySummary summary;
  summary.batches = static_cast<int64_t>(truth.batches.size());
  summary.seeds = static_cast<int64_t>(truth.seeds.size());
  summary.mean_gain = Mean(truth.sample.real);
  summary.sigma_gain = Deviation(truth.sample.real);
  summary.other = OtherOf(results, truth);
  for (size_t k = 0; k < results.classes.size(); ++k) {
    summary.classes.push_back(FiguresOfClass(results, truth, k));
  }
  if (summary.batches < kFewestBatches) return summary;
  if (const auto noise = EstimateNoise(truth.sample)) {
    summary.noise = std::sqrt(noise->of_batch);
    summary.sigma_true =
        std::sqrt(std::max(0.0, *summary.sigma_gain * *summary.sigma_gain - noise->of_batch));
  }
  AddCorrelations(truth, &summary);
  AddCalibration(truth.sample, &summary);
  AddChoices(truth.sample, &summary);
  return summary;
}

}  // namespace mgral::client
