#include "absl/strings/str_cat.h"
#include "client/cpp/fidelity/fidelity_summary.h"

namespace mgral::client {
namespace {

using SummaryJson = nlohmann::ordered_json;

SummaryJson OrNot(const Number& number) {
  return number ? SummaryJson(*number) : SummaryJson("not measurable");
}

SummaryJson OrNot(const Figure& figure) {
  return {{"value", OrNot(figure.value)}, {"ci95", ToJson(figure.ci95)}};
}

SummaryJson ChoiceToJson(const Choice& choice) {
  return {{"chosen", choice.chosen},
          {"mean", choice.mean},
          {"best", choice.best},
          {"regret", choice.best - choice.chosen}};
}

SummaryJson RegretToJson(const FidelitySummary& summary) {
  if (!summary.choice) return "not measurable";
  SummaryJson json = ChoiceToJson(*summary.choice);
  json["by_size"] = SummaryJson::array();
  for (const Choice& choice : summary.choices) json["by_size"].push_back(ChoiceToJson(choice));
  json["of_all_batches"] = ChoiceToJson(*summary.choice_of_all);
  return json;
}

SummaryJson CalibrationToJson(const FidelitySummary& summary) {
  return {{"regression", "real gain on estimated gain, over batches"},
          {"slope_through_origin", OrNot(summary.slope_through_origin)},
          {"slope", OrNot(summary.slope)},
          {"intercept", OrNot(summary.intercept)},
          {"coverage_95", OrNot(summary.coverage)},
          {"coverage_95_with_noise_of_truth", OrNot(summary.coverage_with_noise)}};
}

SummaryJson OtherToJson(const OtherProfile& other) {
  return {{"profile", other.profile},
          {"batches", other.batches},
          {"seeds", other.seeds},
          {"mean_gain", OrNot(other.mean_gain)},
          {"sigma_gain", OrNot(other.sigma_gain)},
          {"rank_correlation", OrNot(other.rank)}};
}

}  // namespace

std::string DescribeTestRetest(const FidelitySummary& summary) {
  if (summary.seeds < 2) {
    return "gains on two disjoint halves of the test images, both with the only training seed, "
           "whose noise they share";
  }
  return absl::StrCat(
      "gain with one training seed on the first half of the test images, and with another seed on "
      "the second half: mean over all pairs of ",
      summary.seeds, " seeds");
}

SummaryJson SummaryToJson(const FidelitySummary& summary) {
  SummaryJson predictors = SummaryJson::object(), classes = SummaryJson::array();
  for (const Predictor& predictor : summary.predictors) {
    predictors[predictor.name] = {{"rank_correlation", OrNot(predictor.rank)},
                                  {"given_size", OrNot(predictor.given_size)},
                                  {"within_terciles_of_size", OrNot(predictor.within_terciles)}};
  }
  for (const ClassFigures& figures : summary.classes) {
    classes.push_back({{"class", figures.name},
                       {"sigma_gain", OrNot(figures.sigma_gain)},
                       {"rank_correlation", OrNot(figures.rank)}});
  }
  SummaryJson json = {{"batches", summary.batches},
                      {"seeds", summary.seeds},
                      {"mean_gain", OrNot(summary.mean_gain)},
                      {"sigma_gain", OrNot(summary.sigma_gain)},
                      {"noise_of_truth", OrNot(summary.noise)},
                      {"sigma_gain_without_noise", OrNot(summary.sigma_true)},
                      {"test_retest_of", DescribeTestRetest(summary)},
                      {"test_retest", OrNot(summary.test_retest)},
                      {"ceiling", OrNot(summary.ceiling)},
                      {"predictors", predictors},
                      {"disattenuated", OrNot(summary.disattenuated)},
                      {"regret", RegretToJson(summary)},
                      {"calibration", CalibrationToJson(summary)},
                      {"classes", classes}};
  if (summary.other) json["also_profile"] = OtherToJson(*summary.other);
  return json;
}

}  // namespace mgral::client
