#pragma once

#include <sstream>
#include <string>
#include <vector>

#include "client/cpp/command/commands.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/unit/client/fake_server.h"
#include "tests/unit/client/temporary_folder.h"

namespace mgral::client {

// Runs command lines against a fake server, which has a batch of one image, "a.jpg".
class CommandTest : public testing::Test {
 protected:
  CommandTest() {
    services_.batch.set_name("pools/cats/batches/7");
    services_.batch.set_state(v1::BATCH_STATE_LEASED);
    services_.batch.set_strategy("random");
    services_.batch.set_strategy_note("no cycle has been published yet");
    services_.batch.mutable_estimated_gain()->set_mean(0.0123);
    v1::BatchImage* image = services_.batch.add_images();
    image->set_image_id("a.jpg");
    image->set_reason("cell 3 is rare");
    services_.batch.mutable_expire_time()->set_seconds(1700000000);
  }

  // Runs `mgral arguments...` against the fake server.
  int Run(std::vector<std::string> arguments) {
    arguments.push_back("--server=" + server_.target());
    return RunAsIs(arguments);
  }
  int RunAsIs(const std::vector<std::string>& arguments) {
    std::vector<const char*> argv = {"mgral"};
    for (const std::string& argument : arguments) argv.push_back(argument.c_str());
    std::ostringstream out, error;
    const int code = RunMgral(static_cast<int>(argv.size()), argv.data(), out, error);
    out_ = out.str();
    error_ = error.str();
    return code;
  }
  // A COCO dataset of three images, of which the last has no boxes.
  std::string Coco() {
    nlohmann::json document = {{"categories", {{{"id", 1}, {"name", "cat"}}}},
                               {"annotations", nlohmann::json::array()},
                               {"images", nlohmann::json::array()}};
    for (int i = 1; i <= 3; ++i) {
      const std::string name = std::string(1, static_cast<char>('a' + i - 1)) + ".jpg";
      folder_.Write("images/" + name, "bytes of " + name);
      document["images"].push_back(
          {{"id", i}, {"file_name", name}, {"width", 100}, {"height", 80}});
      if (i == 3) break;
      document["annotations"].push_back(
          {{"id", i}, {"image_id", i}, {"category_id", 1}, {"bbox", {1, 1, 20, 20}}});
    }
    return folder_.Write("annotations.json", document.dump());
  }

  FakeServer server_;
  FakeServices& services_ = server_.services();
  TemporaryFolder folder_;
  std::string out_, error_;
};

}  // namespace mgral::client
