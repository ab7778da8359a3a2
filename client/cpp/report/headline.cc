#include "client/cpp/report/headline.h"

#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/cpp/report/html.h"
#include "client/cpp/report/statistics.h"

namespace mgral::client {
namespace {

std::string Seeds(int64_t count) {
  return count == 1 ? std::string("one seed") : absl::StrCat(count, "\u00a0seeds");
}

// How sure the comparison of the areas is.
std::string Certainty(const StrategySummary& focus) {
  if (!focus.aulc_minus_random) return "";
  const std::string difference = absl::StrCat(
      "Area under the learning curve ", Points(focus.aulc_minus_random), " points against random");
  if (!focus.aulc_minus_random_ci95) {
    return absl::StrCat(difference, " with one seed: no interval, so no evidence yet.");
  }
  const Interval& interval = *focus.aulc_minus_random_ci95;
  const std::string range = absl::StrCat(" (95\u00a0% interval ", Points(interval.low), " to ",
                                         Points(interval.high), ", ", Seeds(focus.seeds), ")");
  if (interval.low > 0) return absl::StrCat(difference, range, ": better than random.");
  if (interval.high < 0) return absl::StrCat(difference, range, ": worse than random.");
  return absl::StrCat(difference, range,
                      ": the interval contains 0, so these runs do not settle which is better.");
}

// The finding is what people quote, so it says itself when chance could have made it.
std::string Doubt(const StrategySummary& focus) {
  if (focus.aulc_minus_random_ci95 && focus.aulc_minus_random_ci95->low > 0) return "";
  return absl::StrCat(", which ", Seeds(focus.seeds), focus.seeds == 1 ? " does" : " do",
                      " not settle");
}

// Random's curve ends no higher than it began: there is nothing that could be saved.
bool LabelsBroughtNothing(const Results& results) {
  const Curve curve = MeanCurve(RunsOf(results, "random"));
  return curve.size() > 1 && curve.back().second <= curve.front().second;
}

Headline AgainstRandom(const Results& results, const StrategySummary& focus,
                       const StrategySummary& random) {
  const double final_labels = *random.final_labels;
  Headline headline;
  if (LabelsBroughtNothing(results)) {
    headline.finding = "Random’s detector did not improve with labels: no saving can be measured.";
    headline.support = absl::StrFormat(
        "mAP@.5 with %.0f labels: %s %s, random %s. Train longer, or label more per batch. ",
        final_labels, focus.strategy, Decimal(focus.final_map50), Decimal(random.final_map50));
    headline.support += Certainty(focus);
    return headline;
  }
  if (focus.labels_to_match_random) {
    const double share = *focus.labels_to_match_random / std::max(1.0, final_labels);
    headline.finding =
        share > 0.985
            ? absl::StrCat(focus.strategy, " ended level with random: mAP@.5 ",
                           Decimal(focus.final_map50, 2), " with ", final_labels, " labels.")
            : absl::StrFormat("%s reached random’s final mAP with %.0f\u00a0%% of its labels%s.",
                              focus.strategy, 100 * share, Doubt(focus));
    headline.support = absl::StrFormat(
        "%.0f labels instead of %.0f for mAP@.5 %s; with all labels %s against %s. ",
        *focus.labels_to_match_random, final_labels, Decimal(random.final_map50),
        Decimal(focus.final_map50), Decimal(random.final_map50));
  } else {
    headline.finding = absl::StrCat(focus.strategy, " did not reach random’s final mAP.");
    headline.support =
        absl::StrFormat("mAP@.5 %s against %s with %.0f labels. ", Decimal(focus.final_map50),
                        Decimal(random.final_map50), final_labels);
  }
  // A curve that rises and falls crosses its own final level earlier.
  if (random.labels_to_match_random && *random.labels_to_match_random < 0.95 * final_labels) {
    headline.support += absl::StrFormat("Random itself first reached that level at %.0f labels. ",
                                        *random.labels_to_match_random);
  }
  headline.support += Certainty(focus);
  return headline;
}

}  // namespace

const StrategySummary* FindSummary(const Results& results, const std::string& strategy) {
  for (const StrategySummary& summary : results.summary) {
    if (summary.strategy == strategy) return &summary;
  }
  return nullptr;
}

std::string FocusStrategy(const Results& results) {
  const StrategySummary* best = nullptr;
  for (const StrategySummary& summary : results.summary) {
    if (!summary.aulc) continue;
    if (summary.strategy == "mgral") return summary.strategy;
    if (summary.strategy == "random" && results.summary.size() > 1) continue;
    if (best == nullptr || *summary.aulc > *best->aulc) best = &summary;
  }
  return best == nullptr ? "" : best->strategy;
}

Headline MakeHeadline(const Results& results) {
  const StrategySummary* focus = FindSummary(results, FocusStrategy(results));
  if (focus == nullptr || !focus->final_map50) {
    return {"No strategy has finished yet.",
            "The curves below show the points measured so far; they are not compared."};
  }
  const StrategySummary* random = FindSummary(results, "random");
  if (focus->strategy != "random" && random != nullptr && random->final_map50 &&
      random->final_labels) {
    return AgainstRandom(results, *focus, *random);
  }
  return {absl::StrFormat("%s reached mAP@.5 %s with %.0f labels.", focus->strategy,
                          Decimal(focus->final_map50, 2), focus->final_labels.value_or(0)),
          absl::StrCat(focus->seeds == 1 ? "" : "Mean of ",
                       focus->seeds == 1 ? "One seed" : Seeds(focus->seeds),
                       ". Random was not run to the end, so there is no baseline.")};
}

std::vector<std::string> Caveats(const Results& results) {
  std::vector<std::string> caveats;
  std::set<int64_t> seeds;
  bool all_complete = true;
  bool replaced = false;
  for (const StrategyRun& run : results.runs) {
    seeds.insert(run.seed);
    all_complete = all_complete && run.complete;
    for (const CurvePoint& point : run.points) replaced = replaced || !point.strategy_note.empty();
  }
  if (seeds.size() < 2) {
    caveats.push_back(
        "One seed only: differences between strategies may be chance. Run three "
        "seeds or more before deciding anything.");
  } else if (seeds.size() < 3) {
    caveats.push_back(
        "Two seeds: a 95 % interval is then 12.7 standard errors wide on each side. "
        "Three seeds or more are needed for a conclusion.");
  }
  if (!all_complete) {
    caveats.push_back("Some runs stopped in the middle; they are drawn but not summarized.");
  }
  if (replaced) {
    caveats.push_back(
        "Some batches were not chosen by the strategy that was asked for; the "
        "gallery says which and why.");
  }
  caveats.push_back(
      "Only curves of one report are comparable: the training recipe alone moves "
      "published curves of the same method by many points.");
  caveats.push_back(
      "The labels of the validation images are given from the start, to every "
      "strategy, and are not counted on the horizontal axis.");
  return caveats;
}

}  // namespace mgral::client
