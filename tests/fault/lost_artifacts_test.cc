#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "server/app/predict.h"
#include "tests/fault/workplace.h"

// Stored files that a broken disk has changed: whoever needs them is told which, and by no path.
namespace mgral::test {
namespace {

using domain::CycleState;

TEST(LostArtifactsTest, ChangedWeightsAreRefusedByNameAndRestoredOnesWork) {
  Workplace place(20);
  const domain::Pool made = place.MakePool("pool", "entropy", 1, 6, 4);
  ASSERT_EQ(place.RunCycle(made).state, CycleState::kSucceeded);
  const domain::Pool pool = *place.pools->GetPool("pool");
  const std::string sha256 = place.cycles->GetModel(pool.key, 1)->weights_sha256;
  const std::string path = *place.artifacts->PathOf(sha256);
  const std::string weights = *place.artifacts->Get(sha256);

  app::Predict predict(place.pools.get(), place.cycles.get(), place.artifacts.get(),
                       place.runtime.get());
  app::ImageInput image;
  image.image_id = "image_12.jpg";
  const auto before = predict.Run({}, pool, std::nullopt, {image}, {0.01});
  ASSERT_TRUE(before.ok()) << before.status();

  std::string changed = weights;
  for (size_t i = changed.size() / 2; i < changed.size() / 2 + 1000; ++i) changed[i] = 0;
  for (const std::string& content : {changed, weights.substr(0, weights.size() / 2)}) {
    std::ofstream(path, std::ios::binary) << content;
    const absl::Status status = predict.Run({}, pool, std::nullopt, {image}, {0.01}).status();
    EXPECT_TRUE(absl::IsDataLoss(status)) << status;
    EXPECT_NE(status.message().find(sha256), absl::string_view::npos) << status;
    EXPECT_EQ(status.message().find(place.folder), absl::string_view::npos) << status;
  }
  std::ofstream(path, std::ios::binary) << weights;
  const auto after = predict.Run({}, pool, 1, {image}, {0.01});
  ASSERT_TRUE(after.ok()) << after.status();
  ASSERT_EQ(after->predictions[0].boxes.size(), before->predictions[0].boxes.size());
}

TEST(LostArtifactsTest, ACycleGoesOnWithoutAnImageWhoseBytesAreLostAndNamesIt) {
  Workplace place(20);
  const domain::Pool pool = place.MakePool("pool", "entropy", 1, 6, 4);
  std::vector<domain::NewImage> images(2);
  for (int i = 0; i < 2; ++i) {
    std::ostringstream bytes;
    bytes << std::ifstream(place.folder + "/images/" + place.drawn[i].name).rdbuf();
    images[i].image_id = i == 0 ? "lost" : "kept";
    images[i].source = {domain::ImageSource::Kind::kArtifact, *place.artifacts->Put(bytes.str())};
  }
  ASSERT_TRUE(place.pools->RegisterImages(pool.key, images, {}).ok());
  std::ofstream(*place.artifacts->PathOf(images[0].source.location)) << "changed";

  const domain::Cycle cycle = place.RunCycle(pool);
  ASSERT_EQ(cycle.state, CycleState::kSucceeded) << cycle.error;
  const std::string queue = place.Queue(pool, "entropy");
  EXPECT_EQ(queue.find("lost"), std::string::npos) << queue;
  EXPECT_NE(queue.find("kept"), std::string::npos) << queue;
  EXPECT_EQ(place.pools->GetImage(pool.key, "lost")->state, domain::ImageState::kUnlabeled);
  ASSERT_EQ(cycle.left_out.size(), 1u);
  EXPECT_EQ(cycle.left_out[0].image_id, "lost");
  const std::string reason = cycle.left_out[0].reason;
  EXPECT_NE(reason.find(images[0].source.location), std::string::npos) << reason;
  EXPECT_EQ(reason.find(place.folder), std::string::npos) << reason;
}

}  // namespace
}  // namespace mgral::test
