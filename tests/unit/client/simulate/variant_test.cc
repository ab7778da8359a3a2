#include "client/cpp/simulate/variant.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace mgral::client {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string Refusal(const std::vector<std::string>& items) {
  std::vector<std::string> labels;
  Variants variants;
  const absl::Status status = ParseStrategies(items, &labels, &variants);
  EXPECT_TRUE(status.ok() || absl::IsInvalidArgument(status)) << status;
  return std::string(status.message());
}

TEST(ParseStrategies, NamesWhatIsWrong) {
  const std::pair<const char*, const char*> wrong[] = {
      {"", "not the name"},
      {"a b", "not the name"},
      {"<b>", "not the name"},
      {"mgral:replay_probes=8", "LABEL=STRATEGY"},  // no label
      {"few:", "LABEL=STRATEGY"},
      {"few=", "LABEL=STRATEGY"},
      {"=mgral", "LABEL=STRATEGY"},
      {"f<w=mgral", "f<w"},
      {"few=mgral/x", "mgral/x"},
      {"abcdefghijabcdefghijabcdefghijabcdefghijk=mgral", "1 to 40"},
      {"random=mgral", "must not be the name of a strategy"},
      {"true_counts=mgral", "must not be the name of a strategy"},
      {"few=mgral:", "no setting \"\""},
      {"few=mgral:probes=8", "no setting \"probes\""},
      {"few=mgral:replay_probes", "replay_probes: -1"},
      {"few=mgral:replay_probes=", "replay_probes: -1"},
      {"few=mgral:replay_probes=-2", "replay_probes: -1"},
      {"few=mgral:replay_probes=10001", "replay_probes: -1"},
      {"few=mgral:replay_probes=8.5", "replay_probes: -1"},
      {"few=mgral:replay_probes=8=9", "replay_probes: -1"},
      {"few=mgral:replay_probes=8:replay_probes=9", "twice"},
      {"few=mgral:uniform_share=1", "uniform_share: at least 0"},
      {"few=mgral:uniform_share=-0.1", "uniform_share: at least 0"},
      {"few=mgral:uniform_share=nan", "uniform_share: at least 0"},
      {"few=mgral:uniform_share=0:uniform_share=0", "twice"},
      {"few=random:replay_probes=8", "no effect on random"},
      {"few=true_counts:uniform_share=0", "no effect on true_counts"},
  };
  for (const auto& [item, why] : wrong) {
    EXPECT_THAT(Refusal({"entropy", item}),
                testing::AllOf(HasSubstr("--strategies"), HasSubstr(item), HasSubstr(why)));
  }
  EXPECT_THAT(Refusal({"random", "random"}), HasSubstr("twice"));
  EXPECT_THAT(Refusal({"few=mgral", "few=lookup_greedy"}), HasSubstr("\"few\" is given twice"));
}

TEST(ParseStrategies, ReadsStrategiesAndVariants) {
  std::vector<std::string> labels;
  Variants variants;
  ASSERT_TRUE(ParseStrategies({"random", "of_a_newer_server", "prior=mgral:replay_probes=-1",
                               "mgral.0=mgral:uniform_share=0:replay_probes=08", "again=random",
                               "new=of_a_newer_server:replay_probes=0", "true_counts"},
                              &labels, &variants)
                  .ok());
  EXPECT_THAT(labels, ElementsAre("random", "of_a_newer_server", "prior", "mgral.0", "again", "new",
                                  "true_counts"));
  ASSERT_EQ(variants.size(), 4u);
  EXPECT_EQ(variants.at("prior").strategy, "mgral");
  EXPECT_EQ(variants.at("prior").replay_probes, -1);
  EXPECT_EQ(variants.at("prior").uniform_share, std::nullopt);
  EXPECT_EQ(variants.at("mgral.0").replay_probes, 8);
  EXPECT_EQ(variants.at("mgral.0").uniform_share, 0);
  EXPECT_EQ(variants.at("again").strategy, "random");
  EXPECT_EQ(variants.at("new").replay_probes, 0);
}

TEST(SpecOf, IsTheSameForTheSameVariant) {
  EXPECT_EQ(SpecOf({"mgral", {}, {}}), "mgral");
  EXPECT_EQ(SpecOf({"mgral", -1, 0.25}), "mgral:replay_probes=-1:uniform_share=0.25");
}

}  // namespace
}  // namespace mgral::client
