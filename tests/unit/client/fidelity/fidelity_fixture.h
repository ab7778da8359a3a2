#pragma once

#include <unistd.h>

#include <filesystem>
#include <functional>
#include <string>

#include "client/cpp/fidelity/fidelity.h"
#include "client/cpp/synth/synth.h"
#include "gtest/gtest.h"
#include "tests/unit/client/simulate/fake_service.h"

namespace mgral::client {

// Puts the table of a fake service to the test, on a small drawn dataset. Its detectors see the
// more images, the more labels they had: the fake table is right about the order.
class FidelityTest : public testing::Test {
 protected:
  void SetUp() override {
    root_ = std::filesystem::temp_directory_path() /
            ("mgral-fidelity-" + std::to_string(getpid()) + "-" +
             testing::UnitTest::GetInstance()->current_test_info()->name());
    SynthOptions synth;
    synth.folder = (root_ / "data").string();
    synth.images = 120;
    synth.size = 64;
    ASSERT_TRUE(WriteSynthDataset(synth, nullptr).ok());
    dataset_ = *ReadDataset(synth.folder);
    for (const DatasetImage& image : dataset_.images) {
      const v1::NewLabels labels = ToNewLabels(dataset_, image);
      service_.truth[image.image_id].assign(labels.boxes().begin(), labels.boxes().end());
    }
    service_.sees = [](const FakePool& pool, const std::string& image_id) {
      return std::hash<std::string>()(image_id) % 100 < pool.labels.size();
    };
    options_.replay.out = (root_ / "out").string();
    options_.replay.initial = 10;
    options_.replay.seeds = {1, 2};
    options_.base_seeds = 2;
    options_.batches = 16;
    options_.smallest = 3;
    options_.largest = 25;
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  absl::StatusOr<FidelityResults> Run() {
    const absl::StatusOr<Partition> partition = FidelityPartition(dataset_, options_);
    if (!partition.ok()) return partition.status();
    ClientOptions client_options;
    client_options.target = service_.target();
    Client client(client_options);
    ProgressOptions silent;
    silent.style = ProgressOptions::Style::kSilent;
    ProgressBar first("estimating", 0, "batches", silent), second("measuring", 0, "x", silent);
    absl::StatusOr<FidelityResults> results =
        EstimateBatches(client, dataset_, *partition, options_, first);
    if (!results.ok()) return results;
    const absl::Status measured =
        MeasureTruth(client, dataset_, *partition, options_, &*results, second);
    if (!measured.ok()) return measured;
    return results;
  }

  int Unlabeled() const {
    return static_cast<int>(dataset_.splits->train.size()) - options_.replay.initial;
  }

  absl::StatusOr<FidelityResults> Written() {
    return ReadFidelity((root_ / "out/fidelity.json").string());
  }

  std::filesystem::path root_;
  FakeService service_;
  Dataset dataset_;
  FidelityOptions options_;
};

}  // namespace mgral::client
