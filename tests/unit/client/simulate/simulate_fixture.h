#pragma once

#include <unistd.h>

#include <filesystem>
#include <string>

#include "client/cpp/simulate/simulate.h"
#include "client/cpp/synth/synth.h"
#include "gtest/gtest.h"
#include "tests/unit/client/simulate/fake_service.h"

namespace mgral::client {

// Simulates on a small drawn dataset, through a fake service.
class SimulateTest : public testing::Test {
 protected:
  void SetUp() override {
    root_ = std::filesystem::temp_directory_path() /
            ("mgral-simulate-" + std::to_string(getpid()) + "-" +
             testing::UnitTest::GetInstance()->current_test_info()->name());
    SynthOptions synth;
    synth.folder = (root_ / "data").string();
    synth.images = 60;
    synth.size = 64;
    ASSERT_TRUE(WriteSynthDataset(synth, nullptr).ok());
    dataset_ = *ReadDataset(synth.folder);
    for (const DatasetImage& image : dataset_.images) {
      const v1::NewLabels labels = ToNewLabels(dataset_, image);
      service_.truth[image.image_id].assign(labels.boxes().begin(), labels.boxes().end());
    }
    options_.dataset = synth.folder;
    options_.out = (root_ / "out").string();
    options_.initial = 6;
    options_.batch = 4;
    options_.cycles = 2;
    options_.seeds = {1, 2};
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  absl::StatusOr<Results> Run() {
    ClientOptions client_options;
    client_options.target = service_.target();
    Client client(client_options);
    ProgressOptions silent;
    silent.style = ProgressOptions::Style::kSilent;
    ProgressBar progress("simulating", 0, "cycles", silent);
    return Simulate(client, dataset_, options_, progress);
  }

  absl::StatusOr<Results> Written() { return ReadResults((root_ / "out/results.json").string()); }

  std::filesystem::path root_;
  FakeService service_;
  Dataset dataset_;
  SimulateOptions options_;
};

}  // namespace mgral::client
