#include "server/core/lookup/expected_objects.h"

#include <gtest/gtest.h>

#include <stdexcept>

#include "server/core/random.h"

namespace mgral::core {
namespace {

// Images that look like A (along +x) hold four objects of class 0, those that look like B (along
// -x) one of class 1. The detector sees two of either class everywhere.
ObjectEvidence TwoKinds(int labeled_of_each) {
  ObjectEvidence in;
  in.classes = 2;
  in.dim = 3;
  RandomStream random(5);
  const auto add = [&](bool a, std::vector<float>* embeddings, std::vector<float>* detected) {
    embeddings->insert(embeddings->end(), {a ? 1.0f : -1.0f, float(0.2 * random.Normal()),
                                           float(0.2 * random.Normal())});
    detected->insert(detected->end(), {2, 2});
  };
  for (int i = 0; i < labeled_of_each; ++i) {
    for (const bool a : {true, false}) {
      add(a, &in.labeled_embeddings, &in.labeled_detected);
      in.labeled_objects.insert(in.labeled_objects.end(), {a ? 4.0f : 0.0f, a ? 0.0f : 1.0f});
    }
  }
  for (const bool a : {true, false}) add(a, &in.embeddings, &in.detected);
  return in;
}

TEST(ExpectedObjectsTest, WithoutLabelsTheDetectorIsTakenAtItsWord) {
  const ObjectEvidence in = TwoKinds(0);
  EXPECT_EQ(ExpectObjects(in), in.detected);
}

TEST(ExpectedObjectsTest, ADetectorThatSeesTooManyObjectsIsScaledDown) {
  ObjectEvidence in;
  in.classes = 1;
  in.detected = {3, 0};
  for (int i = 0; i < 50; ++i) {
    in.labeled_detected.push_back(6);
    in.labeled_objects.push_back(2);
  }
  const std::vector<float> expected = ExpectObjects(in);
  EXPECT_NEAR(expected[0], 1, 0.02);
  EXPECT_EQ(expected[1], 0);
}

TEST(ExpectedObjectsTest, ADetectorThatFoundNothingInLabeledImagesIsNotScaledUpWithoutBound) {
  ObjectEvidence in;
  in.classes = 1;
  in.detected = {1};
  in.labeled_detected.assign(50, 0);
  in.labeled_objects.assign(50, 10);
  EXPECT_LE(ExpectObjects(in)[0], 4);
}

TEST(ExpectedObjectsTest, WhatAnImageLooksLikeTellsWhatTheDetectorCannot) {
  const std::vector<float> expected = ExpectObjects(TwoKinds(20));
  EXPECT_GT(expected[0], 2);    // A, class 0
  EXPECT_LT(expected[1], 0.6);  // A, class 1: half of what the detector saw, and of that the root
  EXPECT_LT(expected[2], 0.6);  // B, class 0
  EXPECT_GT(expected[3], expected[1]);
}

TEST(ExpectedObjectsTest, OneLabeledImageIsEnough) {
  ObjectEvidence in = TwoKinds(1);
  in.labeled_embeddings.resize(3);
  in.labeled_detected.resize(2);
  in.labeled_objects.resize(2);
  for (const float value : ExpectObjects(in)) EXPECT_GE(value, 0);
}

TEST(ExpectedObjectsTest, EqualEmbeddingsSayNothing) {
  ObjectEvidence in = TwoKinds(3);
  for (auto* each : {&in.embeddings, &in.labeled_embeddings}) each->assign(each->size(), 1);
  const std::vector<float> expected = ExpectObjects(in);
  EXPECT_EQ(expected[0], expected[2]);
  EXPECT_EQ(expected[1], expected[3]);
}

TEST(ExpectedObjectsTest, WrongSizesAreRefusedByName) {
  const auto refused = [](auto change) -> std::string {
    ObjectEvidence in = TwoKinds(2);
    change(&in);
    try {
      ExpectObjects(in);
    } catch (const std::invalid_argument& error) {
      return error.what();
    }
    return "accepted";
  };
  EXPECT_EQ(refused([](auto* in) { in->classes = 0; }).find("classes:"), 0u);
  EXPECT_EQ(refused([](auto* in) { in->dim = -1; }).find("dim:"), 0u);
  EXPECT_EQ(refused([](auto* in) { in->detected.pop_back(); }).find("detected:"), 0u);
  EXPECT_EQ(refused([](auto* in) { in->embeddings.pop_back(); }).find("embeddings:"), 0u);
  EXPECT_EQ(refused([](auto* in) { in->labeled_objects.push_back(0); }).find("labeled_objects:"),
            0u);
  EXPECT_EQ(refused([](auto* in) { in->labeled_detected.clear(); }).find("labeled_detected:"), 0u);
  EXPECT_EQ(refused([](auto* in) { in->labeled_embeddings.clear(); }).find("labeled_embeddings:"),
            0u);
}

}  // namespace
}  // namespace mgral::core
