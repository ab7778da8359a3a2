#include "client/cpp/report/headline.h"

#include <cmath>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/cpp/report/comparison.h"
#include "client/cpp/report/curve.h"
#include "client/cpp/report/html.h"
#include "client/cpp/report/summary.h"

namespace mgral::client {
namespace {

std::string Seeds(int64_t count) {
  return count == 1 ? std::string("one seed") : absl::StrCat(count, "\u00a0seeds");
}

const char* Over(Axis axis) {
  static const char* const kWords[] = {"over images", "over boxes", "over labeling cost"};
  return kWords[static_cast<size_t>(axis)];
}

Number AreaOf(const StrategySummary& summary, Axis axis) {
  return axis == Axis::kCost ? summary.aulc_cost : summary.aulc;
}

// Random's curve ends no higher than it began: there is nothing that could be saved.
bool LabelsBroughtNothing(const Results& results) {
  const Curve curve = MeanCurve(RunsOf(results, "random"));
  return curve.size() > 1 && curve.back().second <= curve.front().second;
}

// What people quote: it claims no more than the primary endpoint carries after Holm's correction.
std::string Finding(const Comparison& primary) {
  const std::string& strategy = primary.strategy;
  if (!primary.p) return absl::StrCat("One seed shows nothing about ", strategy, " and random.");
  const double points = 100 * std::abs(*primary.mean);
  if (primary.significant) {
    return absl::StrFormat("%s is %s than random by %.1f points of area %s.", strategy,
                           *primary.mean > 0 ? "better" : "worse", points, Over(primary.axis));
  }
  if (primary.tie) {
    return absl::StrFormat("%s and random tie: equal within ±1 point of area %s.", strategy,
                           Over(primary.axis));
  }
  return absl::StrFormat("%s do not settle whether %s is better than random.", Seeds(primary.seeds),
                         strategy);
}

// "over images +2.1 points (95 % −0.3 to +4.5, p 0.120 after Holm’s correction): not settled".
std::string Evidence(const Comparison& comparison) {
  std::string text = absl::StrCat(Over(comparison.axis), " ", Points(comparison.mean), " points");
  if (!comparison.p) return text;
  absl::StrAppend(&text, " (95\u00a0%: ", Points(comparison.t95->low), " to ",
                  Points(comparison.t95->high), "; p ", PValue(comparison.p_holm),
                  " after Holm’s correction)");
  return absl::StrCat(text, ": ", VerdictOf(comparison));
}

std::string AreaSentence(const Results& results, const Comparison& primary) {
  std::string text = absl::StrCat("Area under the learning curve against random, ",
                                  Seeds(primary.seeds), ": ", Evidence(primary));
  if (primary.axis != Axis::kImages) {
    if (const Comparison* images =
            FindComparison(results.against_random, Axis::kImages, primary.strategy)) {
      absl::StrAppend(&text, "; ", Evidence(*images));
    }
  }
  return text + ". ";
}

// How many labels and how much cost random's final accuracy took.
std::string SavingSentence(const StrategySummary& focus, const StrategySummary& random) {
  if (!focus.labels_to_match_random) {
    return absl::StrFormat("It did not reach random’s final mAP@.5: %s against %s. ",
                           Decimal(focus.final_map50), Decimal(random.final_map50));
  }
  std::string text = absl::StrFormat(
      "Random’s final mAP@.5 of %s took it %.0f labels instead of %.0f",
      Decimal(random.final_map50), *focus.labels_to_match_random, *random.final_labels);
  if (focus.cost_to_match_random && random.final_cost.value_or(0) > 0) {
    absl::StrAppendFormat(&text, " and %.0f\u00a0%% of the labeling cost",
                          100 * *focus.cost_to_match_random / *random.final_cost);
  }
  absl::StrAppendFormat(&text, "; at the end it has %s. ", Decimal(focus.final_map50));
  // A curve that rises and falls crosses its own final level earlier.
  if (random.labels_to_match_random &&
      *random.labels_to_match_random < 0.95 * *random.final_labels) {
    absl::StrAppendFormat(&text, "Random itself first reached that level at %.0f labels. ",
                          *random.labels_to_match_random);
  }
  return text;
}

// A baseline that beats the strategy belongs beside every claim about it.
std::string BetterBaselines(const Results& results, const std::string& strategy) {
  std::string text;
  for (const WinMatrix& matrix : results.win_matrices) {
    if (matrix.axis == Axis::kBoxes) continue;
    for (size_t i = 0; i < matrix.strategies.size(); ++i) {
      for (size_t j = 0; j < matrix.strategies.size(); ++j) {
        if (matrix.strategies[j] != strategy || !matrix.significant[i][j]) continue;
        if (matrix.strategies[i] == "random") continue;
        if (SeesLabels(StrategyOf(results, matrix.strategies[i]))) continue;
        absl::StrAppend(&text, matrix.strategies[i], " is better than ", strategy, " ",
                        Over(matrix.axis), ". ");
      }
    }
  }
  return text;
}

Headline AgainstRandom(const Results& results, const StrategySummary& focus,
                       const StrategySummary& random, const Comparison& primary) {
  Headline headline;
  headline.support = AreaSentence(results, primary);
  if (LabelsBroughtNothing(results)) {
    headline.finding = "Random’s detector did not improve with labels: no saving can be measured.";
    absl::StrAppendFormat(
        &headline.support,
        "mAP@.5 with %.0f labels: %s %s, random %s. Train longer, or label more per batch. ",
        *random.final_labels, focus.strategy, Decimal(focus.final_map50),
        Decimal(random.final_map50));
  } else {
    headline.finding = Finding(primary);
    headline.support += SavingSentence(focus, random);
  }
  headline.support += BetterBaselines(results, focus.strategy);
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
  const Axis axis = PrimaryAxis(results);
  const StrategySummary* best = nullptr;
  const StrategySummary* random = nullptr;
  for (const StrategySummary& summary : results.summary) {
    const Number area = AreaOf(summary, axis);
    if (!area) continue;
    if (summary.strategy == "mgral") return summary.strategy;
    if (summary.strategy == "random") random = &summary;
    if (&summary == random || SeesLabels(StrategyOf(results, summary.strategy))) continue;
    if (best == nullptr || *area > *AreaOf(*best, axis)) best = &summary;
  }
  if (best == nullptr) best = random;
  return best == nullptr ? "" : best->strategy;
}

Headline MakeHeadline(const Results& results) {
  const StrategySummary* focus = FindSummary(results, FocusStrategy(results));
  if (focus == nullptr || !focus->final_map50) {
    return {"No strategy has finished yet.",
            "The curves below show the points measured so far; they are not compared."};
  }
  const StrategySummary* random = FindSummary(results, "random");
  const Comparison* primary =
      FindComparison(results.against_random, PrimaryAxis(results), focus->strategy);
  if (primary != nullptr && random != nullptr && random->final_map50 && random->final_labels) {
    return AgainstRandom(results, *focus, *random, *primary);
  }
  return {absl::StrFormat("%s reached mAP@.5 %s with %.0f labels.", focus->strategy,
                          Decimal(focus->final_map50, 2), focus->final_labels.value_or(0)),
          absl::StrCat(focus->seeds == 1 ? "" : "Mean of ",
                       focus->seeds == 1 ? "One seed" : Seeds(focus->seeds),
                       ". No seed of random was run to the end, so there is no baseline.")};
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
  if (PrimaryAxis(results) == Axis::kImages) {
    caveats.push_back(
        "These results say nothing of boxes: a strategy that picks crowded images hands out more "
        "work for the same number of images.");
  } else {
    caveats.push_back(
        "The labeling cost is the number of images and of true boxes at the rates above. Put your "
        "own in with --seconds-per-image and --seconds-per-box.");
  }
  caveats.push_back(
      "The labels of the validation images are given from the start, to every "
      "strategy, and are not counted on the horizontal axis.");
  return caveats;
}

}  // namespace mgral::client
