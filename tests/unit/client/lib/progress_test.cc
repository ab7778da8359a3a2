#include "client/cpp/lib/progress.h"

#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace mgral::client {
namespace {

using testing::HasSubstr;
using testing::Not;

class ProgressTest : public testing::Test {
 protected:
  ProgressOptions Options(ProgressOptions::Style style) {
    ProgressOptions options;
    options.style = style;
    options.stream = &out_;
    options.clock = [this] { return now_; };
    options.columns = 120;
    return options;
  }
  // What was written since the last call.
  std::string Written() {
    const std::string text = out_.str();
    out_.str("");
    return text;
  }

  std::ostringstream out_;
  absl::Time now_ = absl::FromUnixSeconds(1000);
};

TEST_F(ProgressTest, PlainLinesComeEveryFewSeconds) {
  ProgressBar bar("registering", 1000, "images", Options(ProgressOptions::Style::kPlain));
  now_ += absl::Seconds(2);
  bar.Add(100);
  EXPECT_EQ(Written(), "");
  now_ += absl::Seconds(3);
  bar.Add(150);
  EXPECT_EQ(Written(), "registering  25 %  250/1000 images  50 images/s  ETA 0:15\n");
  bar.Add(1);
  EXPECT_EQ(Written(), "");
  now_ += absl::Seconds(5);
  bar.Set(1000);
  EXPECT_EQ(Written(), "registering 100 %  1000/1000 images  100 images/s  ETA 0:00\n");
  bar.Finish();
  EXPECT_EQ(Written(), "registering 100 %  1000/1000 images  100 images/s  in 0:10\n");
  bar.Finish();
  bar.Add(5);
  EXPECT_EQ(Written(), "");
}

TEST_F(ProgressTest, ATerminalLineIsRedrawnInPlace) {
  ProgressBar bar("x", 4, "images", Options(ProgressOptions::Style::kTerminal));
  EXPECT_EQ(Written(), "\rx [........................]   0 %  0/4 images");
  now_ += absl::Seconds(1);
  bar.Add(2);
  EXPECT_EQ(Written(), "\rx [############............]  50 %  2/4 images  2 images/s  ETA 0:01");
  bar.Add(1);  // too soon
  EXPECT_EQ(Written(), "");
  bar.Set(4);
  now_ += absl::Seconds(1);
  bar.Finish();
  const std::string last = Written();
  EXPECT_THAT(last, HasSubstr("[########################] 100 %  4/4 images"));
  EXPECT_EQ(last.back(), '\n');
}

TEST_F(ProgressTest, AShorterLineBlanksTheRestOfALongerOne) {
  ProgressBar bar("x", 10, "", Options(ProgressOptions::Style::kTerminal));
  Written();
  now_ += absl::Seconds(1);
  bar.SetNote("a long remark about this");
  const size_t long_line = Written().size();
  now_ += absl::Seconds(1);
  bar.SetNote("");
  const std::string line = Written();
  EXPECT_EQ(line.size(), long_line);
  EXPECT_THAT(line, testing::EndsWith("   "));
}

TEST_F(ProgressTest, LinesNeverWrap) {
  ProgressOptions options = Options(ProgressOptions::Style::kTerminal);
  options.columns = 40;
  ProgressBar bar("a rather long label of some work", 100, "images", options);
  EXPECT_LE(Written().size(), 40u);
}

TEST_F(ProgressTest, WithoutATotalThereIsNoShare) {
  ProgressBar bar("exporting", 0, "bytes", Options(ProgressOptions::Style::kPlain));
  now_ += absl::Seconds(10);
  bar.Add(5000000);
  const std::string line = Written();
  EXPECT_EQ(line, "exporting  5000000 bytes  500.0 k bytes/s\n");
}

TEST_F(ProgressTest, ASharedBarWithoutAUnitShowsPercentAndTimeLeft) {
  ProgressBar bar("train", 1000, "", Options(ProgressOptions::Style::kPlain));
  bar.StartFrom(500);
  now_ += absl::Seconds(10);
  bar.Set(600);
  EXPECT_EQ(Written(), "train  60 %  ETA 0:40\n");
}

TEST_F(ProgressTest, StrangeFiguresAreHarmless) {
  ProgressBar bar("x", 10, "images", Options(ProgressOptions::Style::kPlain));
  now_ -= absl::Seconds(100);  // the clock was set back
  bar.Set(50);
  now_ += absl::Seconds(200);
  bar.Set(50);
  EXPECT_THAT(Written(), HasSubstr("100 %  50/10 images"));
  bar.SetTotal(-5);
  now_ += absl::Seconds(5);
  bar.Set(-3);
  EXPECT_THAT(Written(), Not(HasSubstr("%")));
}

TEST_F(ProgressTest, SilentIsSilent) {
  {
    ProgressBar bar("x", 10, "images", Options(ProgressOptions::Style::kSilent));
    now_ += absl::Seconds(50);
    bar.Add(5);
  }
  EXPECT_EQ(Written(), "");
}

TEST_F(ProgressTest, ManyThreadsCountTogether) {
  {
    ProgressBar bar("x", 40000, "images", Options(ProgressOptions::Style::kPlain));
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&bar] {
        for (int i = 0; i < 10000; ++i) bar.Add();
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
  EXPECT_THAT(Written(), HasSubstr("40000/40000"));
}

TEST(FormatSeconds, Durations) {
  EXPECT_EQ(FormatSeconds(absl::Seconds(7.9)), "0:07");
  EXPECT_EQ(FormatSeconds(absl::Seconds(760)), "12:40");
  EXPECT_EQ(FormatSeconds(absl::Hours(3) + absl::Seconds(130)), "3:02:10");
  EXPECT_EQ(FormatSeconds(absl::Hours(52)), "2d 04:00");
  EXPECT_EQ(FormatSeconds(absl::InfiniteDuration()), "?");
  EXPECT_EQ(FormatSeconds(absl::Seconds(-5)), "0:00");
}

TEST(FormatCount, Numbers) {
  EXPECT_EQ(FormatCount(950), "950");
  EXPECT_EQ(FormatCount(3.25), "3.2");
  EXPECT_EQ(FormatCount(4), "4");
  EXPECT_EQ(FormatCount(1234567), "1.23 M");
  EXPECT_EQ(FormatCount(12345), "12.3 k");
  EXPECT_EQ(FormatCount(5e9), "5.00 G");
}

}  // namespace
}  // namespace mgral::client
