#include "client/cpp/report/headline.h"

#include <sstream>

#include "client/cpp/report/terminal.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/client/report/sample_results.h"

namespace mgral::client {
namespace {

using testing::HasSubstr;
using testing::Not;

// mgral's areas exceed random's by `advantage` plus something of each seed's own.
Results Advantage(double advantage, int seeds) {
  Results results = Sample(2, seeds, 4);
  for (StrategyRun& run : results.runs) {
    for (CurvePoint& point : run.points) {
      const double k = static_cast<double>(point.labels - 40) / 20;
      const double own = run.strategy == "mgral" ? advantage + 0.004 * (run.seed % 3) : 0.0;
      point.map50 = 0.3 + k * (0.05 + own);
      point.boxes = 3 * static_cast<double>(point.labels);
      point.cost = 5 * static_cast<double>(point.labels);
    }
  }
  Summarize(&results);
  return results;
}

TEST(Headline, ClaimsAWinOnlyWhereHolmCarriesIt) {
  Headline headline = MakeHeadline(Advantage(0.02, 6));
  EXPECT_THAT(headline.finding, HasSubstr("mgral is better than random by"));
  EXPECT_THAT(headline.finding, HasSubstr("over labeling cost."));
  EXPECT_THAT(headline.support, HasSubstr("after Holm’s correction): better; over images"));
  EXPECT_THAT(headline.support, HasSubstr("of the labeling cost"));
  EXPECT_THAT(MakeHeadline(Advantage(-0.02, 6)).finding, HasSubstr("mgral is worse than random"));
  headline = MakeHeadline(Advantage(0.002, 2));
  EXPECT_THAT(headline.finding, HasSubstr("do not settle whether mgral is better than random"));
  EXPECT_THAT(headline.support, HasSubstr("not settled"));
  EXPECT_THAT(MakeHeadline(Advantage(-0.003, 6)).finding, HasSubstr("mgral and random tie"));
  headline = MakeHeadline(Advantage(0.02, 1));
  EXPECT_EQ(headline.finding, "One seed shows nothing about mgral and random.");
  EXPECT_THAT(headline.support, Not(HasSubstr("better")));
}

TEST(Headline, SpeaksOfNoControlThatKnowsTheLabels) {
  Results results = Advantage(0.02, 6);
  for (StrategyRun& run : results.runs) {
    if (run.strategy == "mgral") run.strategy = "true_counts";
  }
  results.protocol["strategies"] = {"true_counts", "random"};
  Summarize(&results);
  EXPECT_EQ(FocusStrategy(results), "random");
}

TEST(Headline, NamesABaselineThatIsBetterThanMgral) {
  Results results = Sample(3, 6, 4);
  for (StrategyRun& run : results.runs) {
    for (CurvePoint& point : run.points) {
      const double k = static_cast<double>(point.labels - 40) / 20;
      const double better = run.strategy == "entropy" ? 0.1 + 0.004 * (run.seed % 3) : 0.0;
      point.map50 = 0.3 + k * (0.05 + better) + 0.001 * k * (run.strategy == "mgral") * run.seed;
      point.boxes = 3 * static_cast<double>(point.labels);
      point.cost = 5 * static_cast<double>(point.labels);
    }
  }
  Summarize(&results);
  EXPECT_THAT(MakeHeadline(results).support,
              HasSubstr("entropy is better than mgral over labeling cost."));
}

TEST(Headline, SaysWhatHappenedToTheCurves) {
  Results results = Sample(2, 3, 4);
  for (StrategyRun& run : results.runs) {
    if (run.strategy == "mgral") run.points[1].map50 = run.points[2].map50 = 0.1;
    if (run.strategy == "mgral") run.points.back().map50 = 0.1;
  }
  Summarize(&results);
  EXPECT_THAT(MakeHeadline(results).support, HasSubstr("did not reach random’s final mAP@.5"));
  for (StrategyRun& run : results.runs) run.points.back().map50 = 0.01;
  Summarize(&results);
  EXPECT_THAT(MakeHeadline(results).finding, HasSubstr("did not improve with labels"));
  results = Sample(2, 3, 4);
  for (StrategyRun& run : results.runs) run.points[1].map50 = 0.9;
  Summarize(&results);
  EXPECT_THAT(MakeHeadline(results).support, HasSubstr("Random itself first reached that level"));
  EXPECT_THAT(MakeHeadline(Sample(1, 1, 4)).support, HasSubstr("no baseline"));
  EXPECT_EQ(MakeHeadline(Results()).finding, "No strategy has finished yet.");
}

TEST(Terminal, PrintsEveryStrategy) {
  std::ostringstream out;
  PrintCurves(Sample(3, 2, 5), out);
  for (const char* part : {"mgral", "random", "entropy", "120", "AULC", "cost", "█",
                           "Against random, area over labeling cost",
                           "Against random, area over "
                           "images",
                           "entropy          −"}) {
    EXPECT_THAT(out.str(), HasSubstr(part));
  }
  std::ostringstream empty;
  PrintCurves(Results(), empty);
  EXPECT_THAT(empty.str(), HasSubstr("No strategy has finished"));
}

}  // namespace
}  // namespace mgral::client
