#include "client/cpp/report/report.h"

#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/cpp/report/html.h"
#include "client/cpp/report/summary.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/domain/strategy.h"
#include "tests/unit/client/report/sample_results.h"

namespace mgral::client {
namespace {

using testing::HasSubstr;
using testing::Not;

// Every tag that is opened is closed, in order; void elements aside. Good enough to find a
// forgotten end or an unescaped "<".
void ExpectBalanced(const std::string& html) {
  std::vector<std::string> open;
  size_t at = html.find("</style>");
  ASSERT_NE(at, std::string::npos);
  open.push_back("html");
  open.push_back("head");
  at += 8;
  while ((at = html.find('<', at)) != std::string::npos) {
    const size_t end = html.find('>', at);
    ASSERT_NE(end, std::string::npos);
    std::string tag = html.substr(at + 1, end - at - 1);
    at = end;
    const bool closes = tag[0] == '/';
    if (tag.back() == '/') continue;
    tag = tag.substr(closes, tag.find_first_of(" ", closes) - closes);
    if (!closes) {
      open.push_back(tag);
      continue;
    }
    ASSERT_FALSE(open.empty());
    ASSERT_EQ(open.back(), tag) << html.substr(at > 200 ? at - 200 : 0, 260);
    open.pop_back();
  }
  EXPECT_TRUE(open.empty());
}

TEST(Escape, LeavesNothingActive) {
  EXPECT_EQ(Escape("<script>alert('x')&\"\n"), "&lt;script&gt;alert(&#39;x&#39;)&amp;&quot; ");
}

TEST(Numbers, MissingAndSigns) {
  EXPECT_EQ(Decimal(std::nullopt), "–");
  EXPECT_EQ(Decimal(std::nan("")), "–");
  EXPECT_EQ(Decimal(-0.0001, 2), "0.00");
  EXPECT_EQ(Decimal(-0.08, 2), "−0.08");
  EXPECT_EQ(Points(0.0123), "+1.2");
  EXPECT_EQ(Points(-0.0123), "−1.2");
  EXPECT_EQ(Duration(4.1e-6), "4.1 µs");
  EXPECT_EQ(PowerOfTen(536000), "5.4 · 10⁵");
  EXPECT_EQ(PowerOfTen(12), "12");
}

TEST(Results, JsonRoundTripKeepsNullsAndTheAgreedFields) {
  const Results results = Sample(2, 2, 3);
  const nlohmann::ordered_json json = ResultsToJson(results);
  for (const char* key : {"dataset", "protocol", "runs", "summary", "lookup", "against_random",
                          "against_best_baseline", "win_matrices"}) {
    EXPECT_TRUE(json.contains(key)) << key;
  }
  for (const char* key : {"labels", "boxes", "cost", "seconds", "map50", "map", "estimated_gain",
                          "estimated_gain_se", "realised_gain", "batch"}) {
    EXPECT_TRUE(json["runs"][0]["points"][0].contains(key)) << key;
  }
  EXPECT_TRUE(json["runs"][0]["points"][0]["estimated_gain"].is_null());
  for (const char* key : {"train", "embed", "probe", "table", "selector", "query"}) {
    EXPECT_TRUE(json["runs"][0]["seconds"].contains(key)) << key;
  }
  for (const char* key : {"strategy", "aulc", "aulc_ci95", "final_map50"}) {
    EXPECT_TRUE(json["summary"][0].contains(key)) << key;
  }
  EXPECT_EQ(json["summary"][0]["aulc_ci95"].size(), 2u);
  for (const char* key :
       {"seed", "cycle", "probes", "fidelity", "seconds_per_probe", "seconds_per_lookup", "weights",
        "weights_fitted", "kappa", "kappa_standard_deviation", "residual_share", "level"}) {
    EXPECT_TRUE(json["lookup"][0].contains(key)) << key;
  }
  absl::StatusOr<Results> read = ResultsFromJson(json);
  ASSERT_TRUE(read.ok()) << read.status();
  Summarize(&*read);
  EXPECT_EQ(ResultsToJson(*read), json);
}

TEST(Results, WrongTypesAreNamed) {
  nlohmann::ordered_json json = ResultsToJson(Sample(1, 1, 2));
  json["runs"][0]["points"][1]["map50"] = "high";
  const absl::Status status = ResultsFromJson(json).status();
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("runs[0].points[1].map50"));
  EXPECT_FALSE(ResultsFromJson(nlohmann::ordered_json::array()).ok());
  EXPECT_FALSE(ResultsFromJson({{"runs", 3}}).ok());
  EXPECT_FALSE(ResultsFromJson({{"runs", {1}}}).ok());
}

TEST(Results, FileIsReplacedAndUnreadableOnesAreNamed) {
  const std::filesystem::path file =
      std::filesystem::temp_directory_path() / ("mgral-results-" + std::to_string(getpid()));
  EXPECT_FALSE(ReadResults(file.string()).ok());
  Results results = Sample(1, 1, 2);
  results.runs[0].points[1].strategy_note = "broken \xff UTF-8";
  ASSERT_TRUE(WriteResults(results, file.string()).ok());
  ASSERT_TRUE(WriteResults(results, file.string()).ok());
  EXPECT_TRUE(ReadResults(file.string()).ok());
  std::ofstream(file) << "{half";
  EXPECT_TRUE(absl::IsInvalidArgument(ReadResults(file.string()).status()));
  std::filesystem::remove(file);
  EXPECT_FALSE(WriteResults(results, "/nowhere/at/all/results.json").ok());
}

TEST(Report, HostileTextsAreEscapedEverywhere) {
  Results results = Sample(2, 1, 3);
  const std::string evil = "<img src=x onerror='alert(1)'>\"&";
  results.dataset = evil;
  results.classes = {evil, "</style><script>"};
  results.protocol = {{evil, evil}, {"list", {evil, 1}}};
  for (StrategyRun& run : results.runs) {
    run.strategy += evil;
    for (CurvePoint& point : run.points) {
      point.strategy_note = evil;
      point.strategy_used = evil;
      for (std::string& id : point.batch) id += evil;
      point.picks = {{evil, 3, evil, evil, 0.1}};
    }
  }
  results.lookup[0].strategy = results.runs[0].strategy;
  const std::string html = RenderReport(results, nullptr);
  EXPECT_THAT(html, Not(HasSubstr("<img")));
  EXPECT_THAT(html, Not(HasSubstr("<script")));
  EXPECT_THAT(html, Not(HasSubstr("onerror='")));
  ExpectBalanced(html);
}

TEST(Report, HoldsItsPartsAndNeedsNothingElse) {
  const std::string html = RenderReport(Sample(5, 3, 5), nullptr);
  for (const char* part :
       {"Learning curves", "Labeled images needed for random", "Predicted and realized", "fidelity",
        "per class", "What each strategy picked", "How it was measured", "What the runs settle",
        "over labeling cost, against random: the primary endpoint", "Who beats whom",
        "5.0 · 10⁵ ×"}) {
    EXPECT_THAT(html, HasSubstr(part));
  }
  for (const char* outside : {"http://", "https://", "src=", "@import", "url(http", "NaN", "nan"}) {
    EXPECT_THAT(html, Not(HasSubstr(outside)));
  }
  ExpectBalanced(html);
}

TEST(Report, CurvesAreDrawnOverEachAxisThatTheResultsHave) {
  Results results = Sample(3, 2, 4);
  std::string html = RenderReport(results, nullptr);
  EXPECT_THAT(html, HasSubstr("labeling cost, s (2 an image + 1 a box)"));
  EXPECT_THAT(html, HasSubstr("id='axis-cost' checked"));
  EXPECT_THAT(html, HasSubstr("id='axis-boxes'"));
  for (StrategyRun& run : results.runs) {
    for (CurvePoint& point : run.points) point.boxes = point.cost = std::nullopt;
  }
  html = RenderReport(results, nullptr);
  EXPECT_THAT(html, HasSubstr("id='axis-images' checked"));
  EXPECT_THAT(html, Not(HasSubstr("id='axis-cost'")));
  EXPECT_THAT(html, HasSubstr("say nothing of boxes"));
  ExpectBalanced(html);
}

TEST(Report, EveryStrategyHasItsColorAndAnUnknownOneASpareOne) {
  Results results = Sample(2, 1, 3);
  results.runs[1].strategy = "from_a_newer_server";
  const std::string html = RenderReport(results, nullptr);
  EXPECT_THAT(html, HasSubstr("var(--s-mgral)"));
  EXPECT_THAT(html, HasSubstr("var(--s-spare"));
  EXPECT_THAT(html, Not(HasSubstr("--s-from_a_newer_server")));
  for (const domain::StrategyInfo& info : domain::Strategies()) {
    EXPECT_THAT(html, HasSubstr(absl::StrCat("--s-", info.name, ":", info.color, ";")));
    EXPECT_THAT(html, HasSubstr(absl::StrCat("--s-", info.name, ":", info.dark_color, ";")));
  }
}

TEST(Report, AnyAmountOfDataIsDrawn) {
  for (int strategies : {0, 1, 2, 6}) {
    for (int seeds : {1, 2, 3}) {
      for (int points : {0, 1, 2, 30}) {
        const std::string html = RenderReport(Sample(strategies, seeds, points), nullptr);
        ExpectBalanced(html);
        EXPECT_THAT(html, Not(HasSubstr("nan")));
        EXPECT_THAT(html, Not(HasSubstr("inf")));
      }
    }
  }
}

TEST(Report, EqualValuesDoNotBreakTheAxes) {
  Results results = Sample(2, 2, 3);
  for (StrategyRun& run : results.runs) {
    for (CurvePoint& point : run.points) {
      point.map50 = 0;
      point.estimated_gain = 0;
      point.realized_gain = 0;
      point.test_gain = 0;
    }
  }
  EXPECT_THAT(RenderReport(results, nullptr), Not(HasSubstr("nan")));
}

}  // namespace
}  // namespace mgral::client
