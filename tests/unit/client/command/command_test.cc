#include <cstdlib>
#include <sstream>
#include <string>
#include <vector>

#include "client/cpp/command/commands.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/unit/client/fake_server.h"
#include "tests/unit/client/temporary_directory.h"

namespace mgral::client {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::SizeIs;

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
    json document = {{"categories", {{{"id", 1}, {"name", "cat"}}}},
                     {"annotations", json::array()},
                     {"images", json::array()}};
    for (int i = 1; i <= 3; ++i) {
      const std::string name = std::string(1, static_cast<char>('a' + i - 1)) + ".jpg";
      directory_.Write("images/" + name, "bytes of " + name);
      document["images"].push_back(
          {{"id", i}, {"file_name", name}, {"width", 100}, {"height", 80}});
      if (i == 3) break;
      document["annotations"].push_back(
          {{"id", i}, {"image_id", i}, {"category_id", 1}, {"bbox", {1, 1, 20, 20}}});
    }
    return directory_.Write("annotations.json", document.dump());
  }

  FakeServer server_;
  FakeServices& services_ = server_.services();
  TemporaryDirectory directory_;
  std::string out_, error_;
};

TEST_F(CommandTest, HelpIsNoErrorAndGivesAnExample) {
  EXPECT_EQ(RunAsIs({"--help"}), 0);
  EXPECT_THAT(out_, testing::AllOf(HasSubstr("mgral pool create"), HasSubstr("Exit codes")));
  for (const std::vector<std::string>& command :
       std::vector<std::vector<std::string>>{{"pool", "create"},
                                             {"pool", "list"},
                                             {"pool", "show"},
                                             {"pool", "delete"},
                                             {"register"},
                                             {"query"},
                                             {"batches"},
                                             {"renew"},
                                             {"release"},
                                             {"estimate"},
                                             {"label"},
                                             {"reject"},
                                             {"export"},
                                             {"cycle", "start"},
                                             {"cycle", "watch"},
                                             {"cycle", "list"},
                                             {"cycle", "cancel"},
                                             {"models"},
                                             {"predict"}}) {
    std::vector<std::string> arguments = command;
    arguments.push_back("--help");
    EXPECT_EQ(RunAsIs(arguments), 0);
    EXPECT_THAT(out_, HasSubstr("Example")) << command[0];
  }
  EXPECT_EQ(RunAsIs({"--version"}), 0);
}

TEST_F(CommandTest, WrongUsageIsExitCode2AndAsksTheServerNothing) {
  for (const std::vector<std::string>& arguments :
       std::vector<std::vector<std::string>>{{},
                                             {"dance"},
                                             {"pool"},
                                             {"pool", "create", "cats"},
                                             {"query", "cats"},
                                             {"query", "cats", "--size", "many"},
                                             {"query", "cats", "--size", "5", "--lease", "soon"},
                                             {"query", "cats", "--size", "5", "--lease=-1h"},
                                             {"register", "cats"},
                                             {"register", "cats", "--coco", "a", "--voc", "b"},
                                             {"register", "cats", "--images", "a", "--voc", "b"},
                                             {"label", "cats", "--images", "a"},
                                             {"label", "cats", "--coco", "a", "--use", "test"},
                                             {"estimate", "cats"},
                                             {"register", "cats", "--voc", "b", "--use", "testing"},
                                             {"label", "cats", "--coco", "/no/such/file.json"},
                                             {"export", "cats"},
                                             {"predict", "cats"},
                                             {"pool", "list", "--timeout", "0"},
                                             {"pool", "list", "--tls-cert", "x"},
                                             {"pool", "list", "--tls-ca", "/no/such/file.pem"}}) {
    EXPECT_EQ(Run(arguments), 2) << testing::PrintToString(arguments) << out_ << error_;
    EXPECT_NE(error_, "");
  }
  EXPECT_THAT(services_.calls, SizeIs(0));
}

TEST_F(CommandTest, NoServerIsExitCode3AndSaysWhatToDo) {
  std::string gone;
  {
    FakeServer server;
    gone = server.target();
  }
  EXPECT_EQ(RunAsIs({"pool", "list", "--server", gone}), 3);
  EXPECT_THAT(error_, testing::AllOf(HasSubstr(gone), HasSubstr("Is the server running?"),
                                     HasSubstr("MGRAL_SERVER")));
  EXPECT_EQ(out_, "");
  EXPECT_EQ(RunAsIs({"pool", "list", "--json", "--server", gone}), 3);
  EXPECT_EQ(json::parse(out_)["error"]["code"], "UNAVAILABLE");
}

TEST_F(CommandTest, TheServersAddressMayComeFromTheEnvironment) {
  setenv("MGRAL_SERVER", server_.target().c_str(), 1);
  EXPECT_EQ(RunAsIs({"pool", "list"}), 0) << error_;
  unsetenv("MGRAL_SERVER");
  EXPECT_THAT(out_, HasSubstr("pools/p4"));
}

TEST_F(CommandTest, ARefusalIsExitCode1WithItsField) {
  const grpc::Status refusal =
      Refusal(grpc::INVALID_ARGUMENT, "INVALID_FIELD", "must be 1 to 10000", "size");
  services_.failures = {refusal};
  EXPECT_EQ(Run({"query", "cats", "--size", "0"}), 1);
  EXPECT_THAT(error_,
              testing::AllOf(HasSubstr("size: must be 1 to 10000"), HasSubstr("INVALID_FIELD")));
  services_.failures = {refusal};
  EXPECT_EQ(Run({"query", "cats", "--size", "0", "--json"}), 1);
  const json document = json::parse(out_);
  EXPECT_EQ(document["error"]["code"], "INVALID_ARGUMENT");
  EXPECT_EQ(document["error"]["reason"], "INVALID_FIELD");
  EXPECT_EQ(document["error"]["fields"][0]["field"], "size");
}

TEST_F(CommandTest, PoolCreateTakesItsClassesFromTheLineOrFromADataset) {
  EXPECT_EQ(Run({"pool", "create", "--classes", "cat,dog", "cats", "--batch-size", "7", "--profile",
                 "micro", "--warm-start", "--json"}),
            0)
      << error_;
  json document = json::parse(out_);
  EXPECT_EQ(document["name"], "pools/cats");
  EXPECT_THAT(document["classes"], ElementsAre("cat", "dog"));
  EXPECT_EQ(document["selection"]["batch_size"], 7);
  EXPECT_EQ(document["detector"]["profile"], "micro");
  EXPECT_EQ(document["detector"]["warm_start"], true);
  EXPECT_EQ(Run({"pool", "create", "cats", "--coco", Coco()}), 0) << error_;
  EXPECT_THAT(out_, HasSubstr("classes    cat"));
  EXPECT_THAT(services_.request_ids, SizeIs(2));
}

TEST_F(CommandTest, PoolListShowDelete) {
  EXPECT_EQ(Run({"pool", "list", "--json"}), 0);
  EXPECT_THAT(json::parse(out_)["pools"], SizeIs(5));
  services_.pool.mutable_counts()->set_labeled(42);
  EXPECT_EQ(Run({"pool", "show", "cats"}), 0);
  EXPECT_THAT(out_, testing::AllOf(HasSubstr("pools/cats"), HasSubstr("42 labeled")));
  EXPECT_EQ(Run({"pool", "delete", "cats", "--yes"}), 0);
  EXPECT_EQ(services_.calls.back(), "DeletePool");
}

TEST_F(CommandTest, QueryPrintsTheBatchAndWritesIt) {
  const std::string file = directory_.path("batch.json");
  EXPECT_EQ(Run({"query", "cats", "--size", "1", "--out", file}), 0) << error_;
  EXPECT_THAT(out_, testing::AllOf(HasSubstr("a.jpg"), HasSubstr("cell 3 is rare"),
                                   HasSubstr("random"), HasSubstr("no cycle has been published"),
                                   HasSubstr("+0.0123"), HasSubstr("mgral label cats")));
  std::ifstream written(file);
  EXPECT_EQ(json::parse(written)["images"][0]["image_id"], "a.jpg");
  EXPECT_EQ(Run({"query", "cats", "--size", "1", "--json"}), 0);
  EXPECT_EQ(json::parse(out_)["name"], "pools/cats/batches/7");
  EXPECT_EQ(Run({"query", "cats", "--size", "1", "--out", "/no/such/directory/x"}), 2);
  EXPECT_THAT(error_, HasSubstr("mgral release pools/cats/batches/7"));
}

TEST_F(CommandTest, QueryWritesACocoFileThatLabelTakesBack) {
  services_.pool.add_classes("dog");
  services_.pool.add_classes("cat");
  services_.batch.mutable_images(0)->set_image_id("day1:a.jpg");
  v1::Box* box = services_.batch.mutable_images(0)->add_predictions();
  box->set_class_name("cat");
  box->set_x_min(3);
  box->set_width(10);
  box->set_height(20);
  box->set_score(0.5);
  services_.batch.mutable_images(0)->add_predictions()->set_score(0.2);  // too unsure
  const std::string file = directory_.path("to_label.json");
  EXPECT_EQ(Run({"query", "cats", "--size", "1", "--coco-out", file}), 0) << error_;
  std::ifstream written(file);
  const json document = json::parse(written);
  EXPECT_EQ(document["images"][0]["file_name"], "day1/a.jpg");
  EXPECT_EQ(document["images"][0]["width"], 100);
  ASSERT_THAT(document["annotations"], SizeIs(1));
  EXPECT_EQ(document["annotations"][0]["category_id"], 2);
  EXPECT_EQ(document["annotations"][0]["bbox"], json({3.0, 0.0, 10.0, 20.0}));
  EXPECT_EQ(document["annotations"][0]["score"], 0.5);
  EXPECT_EQ(Run({"label", "cats", "--coco", file, "--batch", "pools/cats/batches/7"}), 0) << error_;
  EXPECT_THAT(services_.labeled, ElementsAre("day1:a.jpg"));
  EXPECT_EQ(services_.last_labels.boxes(0).class_name(), "cat");
  EXPECT_EQ(Run({"query", "cats", "--size", "1", "--coco-out", "/no/such/directory/x"}), 2);
  EXPECT_THAT(error_, HasSubstr("mgral release pools/cats/batches/7"));
}

TEST_F(CommandTest, BatchesAreListedWithTheirState) {
  services_.batch.mutable_images(0)->set_state(v1::IMAGE_STATE_LABELED);
  services_.batch.set_annotator("anna");
  EXPECT_EQ(Run({"batches", "cats"}), 0) << error_;
  EXPECT_THAT(out_, testing::AllOf(HasSubstr("pools/cats/batches/7"), HasSubstr("leased"),
                                   HasSubstr("1 of 1"), HasSubstr("anna")));
  EXPECT_EQ(Run({"batches", "cats", "--json"}), 0);
  EXPECT_EQ(json::parse(out_)["batches"][0]["name"], "pools/cats/batches/7");
}

TEST_F(CommandTest, RejectedImagesGoWithTheirReason) {
  EXPECT_EQ(Run({"reject", "cats", "a.jpg", "b.jpg"}), 2);
  EXPECT_EQ(Run({"reject", "cats", "a.jpg", "b.jpg", "--reason", "blurred"}), 0) << error_;
  EXPECT_THAT(services_.labeled, ElementsAre("a.jpg", "b.jpg"));
  EXPECT_EQ(services_.last_labels.reject_reason(), "blurred");
  EXPECT_THAT(services_.request_ids, SizeIs(1));
}

TEST_F(CommandTest, ReleaseAndEstimate) {
  EXPECT_EQ(Run({"release", "pools/cats/batches/7"}), 0);
  EXPECT_THAT(out_, HasSubstr("released"));
  EXPECT_EQ(Run({"estimate", "cats", "--images", "a.jpg,b.jpg", "--json"}), 0) << error_;
  EXPECT_DOUBLE_EQ(json::parse(out_)["gain"]["mean"], 0.002);
  const std::string file = directory_.Write("ids.txt", "a.jpg\n\n b.jpg \r\nc.jpg");
  EXPECT_EQ(Run({"estimate", "cats", "--file", file, "--json"}), 0);
  EXPECT_DOUBLE_EQ(json::parse(out_)["gain"]["mean"], 0.003);
}

TEST_F(CommandTest, RegisterSendsBytesOrPaths) {
  EXPECT_EQ(Run({"register", "cats", "--coco", Coco()}), 0) << error_;
  EXPECT_THAT(out_, HasSubstr("3 images registered"));
  EXPECT_EQ(services_.images["b.jpg"].source().data(), "bytes of b.jpg");
  EXPECT_THAT(error_, HasSubstr("3/3 images"));  // the progress
  EXPECT_EQ(Run({"register", "cats", "--coco", Coco(), "--json"}), 0);
  EXPECT_EQ(json::parse(out_)["existing"], 3);
  services_.images.clear();
  EXPECT_EQ(Run({"register", "cats", "--coco", Coco(), "--server-path", "data/cats", "--use",
                 "validation"}),
            0);
  EXPECT_EQ(services_.images["b.jpg"].source().path(), "data/cats/b.jpg");
  EXPECT_EQ(services_.images["b.jpg"].use(), v1::IMAGE_USE_VALIDATION);
  services_.images.clear();
  EXPECT_EQ(Run({"register", "cats", "--coco", Coco(), "--server-path", ""}), 0);
  EXPECT_EQ(services_.images["b.jpg"].source().path(), "b.jpg");
}

TEST_F(CommandTest, RegisterTakesADirectoryOfImagesThatNobodyLabelled) {
  directory_.Write("photos/b.JPG", "bytes of b");
  directory_.Write("photos/day1/a.png", "bytes of a");
  directory_.Write("photos/remarks.txt", "x");
  EXPECT_EQ(Run({"register", "cats", "--images", directory_.path("photos")}), 0) << error_;
  ASSERT_THAT(services_.images, SizeIs(2));
  EXPECT_EQ(services_.images["b.JPG"].source().data(), "bytes of b");
  EXPECT_EQ(services_.images["day1:a.png"].source().data(), "bytes of a");
  services_.images.clear();
  EXPECT_EQ(Run({"register", "cats", "--images", directory_.path("photos/"), "--server-path", "x"}),
            0);
  EXPECT_EQ(services_.images["day1:a.png"].source().path(), "x/day1/a.png");
  std::filesystem::create_directory(directory_.path("empty"));
  EXPECT_EQ(Run({"register", "cats", "--images", directory_.path("empty")}), 2);
  EXPECT_THAT(error_, HasSubstr("there are no images in it"));
  EXPECT_EQ(Run({"register", "cats", "--images", directory_.path("nowhere")}), 2);
  EXPECT_THAT(error_, HasSubstr("there is no such directory"));
}

TEST_F(CommandTest, RegisterKeepsTheTestSplitOut) {
  const std::string splits = directory_.Write(
      "my_splits.json", R"({"train": ["a.jpg"], "val": ["b.jpg"], "test": ["c.jpg"]})");
  EXPECT_EQ(Run({"register", "cats", "--coco", Coco(), "--splits", splits}), 0) << error_;
  ASSERT_THAT(services_.images, SizeIs(2));
  EXPECT_EQ(services_.images["a.jpg"].use(), v1::IMAGE_USE_TRAINING);
  EXPECT_EQ(services_.images["b.jpg"].use(), v1::IMAGE_USE_VALIDATION);
}

TEST_F(CommandTest, SplitsThatLeaveNothingToRegisterAreAMistake) {
  const std::string splits = directory_.Write("my_splits.json", R"({"test": ["c.jpg"]})");
  EXPECT_EQ(Run({"register", "cats", "--coco", Coco(), "--splits", splits}), 2);
  EXPECT_THAT(error_, HasSubstr("nothing to register"));
}

TEST_F(CommandTest, RefusedImagesAreExitCode1AndTheRestIsRegistered) {
  const std::string coco = directory_.Write(
      "refuse.json",
      R"({"images": [{"id": 1, "file_name": "a.jpg"}, {"id": 2, "file_name": "refuse.jpg"}],
          "categories": [], "annotations": []})");
  Coco();
  directory_.Write("images/refuse.jpg", "x");
  EXPECT_EQ(Run({"register", "cats", "--coco", coco, "--json"}), 1);
  const json document = json::parse(out_);  // one document, in spite of the error
  EXPECT_EQ(document["registered"], 1);
  EXPECT_EQ(document["refused"][0]["image_id"], "refuse.jpg");
  EXPECT_THAT(error_, HasSubstr("1 images were refused"));
}

TEST_F(CommandTest, BrokenDatasetsNameTheEntryAndAskNothing) {
  const std::string coco = directory_.Write("bad.json", R"({"images": [{"id": 1}]})");
  EXPECT_EQ(Run({"register", "cats", "--coco", coco, "--images", directory_.path()}), 2);
  EXPECT_THAT(error_, testing::AllOf(HasSubstr("bad.json"), HasSubstr("images[0]")));
  EXPECT_THAT(services_.stream_images, SizeIs(0));
}

TEST_F(CommandTest, LabelSendsOnlyWhatIsRegistered) {
  EXPECT_EQ(Run({"label", "cats", "--coco", Coco()}), 2);
  EXPECT_THAT(error_, HasSubstr("no image of the file is in pools/cats"));
  services_.images["a.jpg"] = services_.images["c.jpg"] = {};
  EXPECT_EQ(Run({"label", "cats", "--coco", Coco(), "--json"}), 0) << error_;
  EXPECT_THAT(services_.labeled, ElementsAre("a.jpg", "c.jpg"));
  EXPECT_EQ(json::parse(out_)["not_asked_for"], 1);
  services_.labeled.clear();
  EXPECT_EQ(Run({"label", "cats", "--coco", Coco(), "--skip-empty"}), 0);
  EXPECT_THAT(services_.labeled, ElementsAre("a.jpg"));
  services_.labeled.clear();
  EXPECT_EQ(Run({"label", "cats", "--coco", Coco(), "--batch", "pools/cats/batches/7"}), 0);
  EXPECT_THAT(services_.labeled, ElementsAre("a.jpg"));
}

TEST_F(CommandTest, LabelSaysWhatTheImagesAreForOnlyWhenAsked) {
  services_.images["a.jpg"] = {};
  EXPECT_EQ(Run({"label", "cats", "--coco", Coco()}), 0) << error_;
  EXPECT_EQ(services_.last_labels.use(), v1::IMAGE_USE_UNSPECIFIED);
  EXPECT_EQ(Run({"label", "cats", "--coco", Coco(), "--use", "validation"}), 0) << error_;
  EXPECT_EQ(services_.last_labels.use(), v1::IMAGE_USE_VALIDATION);
}

TEST_F(CommandTest, ExportWritesTheFileWholeOrNotAtAll) {
  const std::string file = directory_.path("labels.json");
  services_.failures = {grpc::Status(grpc::DATA_LOSS, "broken in the middle")};
  EXPECT_EQ(Run({"export", "cats", "--out", file}), 1);
  EXPECT_FALSE(std::filesystem::exists(file));
  EXPECT_FALSE(std::filesystem::exists(file + ".tmp"));
  EXPECT_EQ(Run({"export", "cats", "--out", file}), 0) << error_;
  std::ifstream written(file);
  EXPECT_TRUE(json::parse(written).contains("images"));
}

TEST_F(CommandTest, CycleStartWatchesToTheEnd) {
  v1::Cycle running, done;
  running.set_name("pools/cats/cycles/1");
  running.set_state(v1::CYCLE_STATE_RUNNING);
  running.set_stage(v1::CYCLE_STAGE_TRAIN);
  running.add_stages()->set_stage(v1::CYCLE_STAGE_TRAIN);
  running.mutable_stages(0)->set_fraction(0.5);
  done = running;
  done.set_state(v1::CYCLE_STATE_SUCCEEDED);
  done.set_map50(0.75);
  services_.watches = {{running, done}};
  EXPECT_EQ(Run({"cycle", "start", "cats", "--watch"}), 0) << error_;
  EXPECT_THAT(out_, testing::AllOf(HasSubstr("succeeded"), HasSubstr("0.7500")));
  EXPECT_THAT(error_, HasSubstr("train"));
  services_.watches = {{running, done}};
  EXPECT_EQ(Run({"cycle", "watch", "cats", "--json"}), 0);
  EXPECT_EQ(json::parse(out_)["map50"], 0.75);
}

TEST_F(CommandTest, AFailedCycleIsExitCode1) {
  v1::Cycle failed;
  failed.set_name("pools/cats/cycles/1");
  failed.set_state(v1::CYCLE_STATE_FAILED);
  failed.set_error("no labelled images");
  services_.watches = {{failed}};
  EXPECT_EQ(Run({"cycle", "watch", "pools/cats/cycles/1"}), 1);
  EXPECT_THAT(error_, HasSubstr("no labelled images"));
}

TEST_F(CommandTest, PredictSendsFilesAndReportsTheBrokenOne) {
  const std::string good = directory_.Write("good.jpg", "fine");
  const std::string bad = directory_.Write("bad.jpg", "broken");
  EXPECT_EQ(Run({"predict", "cats", good}), 0) << error_;
  EXPECT_THAT(out_, testing::AllOf(HasSubstr("good.jpg"), HasSubstr("cat")));
  EXPECT_EQ(Run({"predict", "cats", good, bad, "--json"}), 1);
  EXPECT_THAT(json::parse(out_)["predictions"], SizeIs(2));
  EXPECT_EQ(Run({"predict", "cats", directory_.path("none.jpg")}), 2);
}

TEST_F(CommandTest, TextThatIsNoUtf8DoesNotBreakTheDocument) {
  services_.failures = {grpc::Status(grpc::NOT_FOUND, "no pool \xff\xfe")};
  EXPECT_EQ(Run({"pool", "show", "cats", "--json"}), 1);
  EXPECT_TRUE(json::accept(out_)) << out_;
}

}  // namespace
}  // namespace mgral::client
