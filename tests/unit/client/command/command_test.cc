#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "nlohmann/json.hpp"
#include "tests/unit/client/command/command_fixture.h"

namespace mgral::client {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

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
                                             {"models", "export"},
                                             {"models", "rollback"},
                                             {"predict"},
                                             {"predictions", "put"}}) {
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
                                             {"models"},
                                             {"models", "cats", "dogs"},
                                             {"models", "export", "cats"},
                                             {"models", "rollback"},
                                             {"models", "rollback", "cats", "dogs"},
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
                 "micro", "--warm-start", "--image-orientation", "stored", "--json"}),
            0)
      << error_;
  json document = json::parse(out_);
  EXPECT_EQ(document["name"], "pools/cats");
  EXPECT_THAT(document["classes"], ElementsAre("cat", "dog"));
  EXPECT_EQ(document["selection"]["batch_size"], 7);
  EXPECT_EQ(document["detector"]["profile"], "micro");
  EXPECT_EQ(document["detector"]["warm_start"], true);
  EXPECT_EQ(document["image_orientation"], "IMAGE_ORIENTATION_STORED");
  EXPECT_EQ(
      Run({"pool", "create", "cats", "--coco", Coco(), "--profile", "full", "--trunk", "resnet18"}),
      0)
      << error_;
  EXPECT_THAT(out_, HasSubstr("classes    cat"));
  EXPECT_THAT(out_, HasSubstr("full on resnet18"));
  EXPECT_THAT(out_, HasSubstr("turned as their EXIF orientation says"));
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
  const std::string file = folder_.path("batch.json");
  EXPECT_EQ(Run({"query", "cats", "--size", "1", "--out", file}), 0) << error_;
  EXPECT_THAT(out_, testing::AllOf(HasSubstr("a.jpg"), HasSubstr("cell 3 is rare"),
                                   HasSubstr("random"), HasSubstr("no cycle has been published"),
                                   HasSubstr("+0.0123"), HasSubstr("mgral label cats")));
  std::ifstream written(file);
  EXPECT_EQ(json::parse(written)["images"][0]["image_id"], "a.jpg");
  EXPECT_EQ(Run({"query", "cats", "--size", "1", "--json"}), 0);
  EXPECT_EQ(json::parse(out_)["name"], "pools/cats/batches/7");
  EXPECT_EQ(Run({"query", "cats", "--size", "1", "--out", "/no/such/folder/x"}), 2);
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

TEST_F(CommandTest, ReleaseAndEstimate) {
  EXPECT_EQ(Run({"release", "pools/cats/batches/7"}), 0);
  EXPECT_THAT(out_, HasSubstr("released"));
  EXPECT_EQ(Run({"estimate", "cats", "--images", "a.jpg,b.jpg", "--json"}), 0) << error_;
  EXPECT_DOUBLE_EQ(json::parse(out_)["gain"]["mean"], 0.002);
  const std::string file = folder_.Write("ids.txt", "a.jpg\n\n b.jpg \r\nc.jpg");
  EXPECT_EQ(Run({"estimate", "cats", "--file", file, "--json"}), 0);
  EXPECT_DOUBLE_EQ(json::parse(out_)["gain"]["mean"], 0.003);
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
  failed.set_error("no labeled images");
  services_.watches = {{failed}};
  EXPECT_EQ(Run({"cycle", "watch", "pools/cats/cycles/1"}), 1);
  EXPECT_THAT(error_, HasSubstr("no labeled images"));
}

TEST_F(CommandTest, PredictSendsFilesAndReportsTheBrokenOne) {
  const std::string good = folder_.Write("good.jpg", "fine");
  const std::string bad = folder_.Write("bad.jpg", "broken");
  EXPECT_EQ(Run({"predict", "cats", good}), 0) << error_;
  EXPECT_THAT(out_, testing::AllOf(HasSubstr("good.jpg"), HasSubstr("cat")));
  EXPECT_EQ(Run({"predict", "cats", good, bad, "--json"}), 1);
  EXPECT_THAT(json::parse(out_)["predictions"], SizeIs(2));
  EXPECT_EQ(Run({"predict", "cats", folder_.path("none.jpg")}), 2);
}

TEST_F(CommandTest, AModelIsExportedWholeOrNotAtAll) {
  const std::string folder = folder_.path("out/model");
  const auto content = [&](const std::string& name) {
    std::ifstream file(folder + "/" + name);
    return std::string(std::istreambuf_iterator<char>(file), {});
  };
  EXPECT_EQ(Run({"models", "export", "short", "--out", folder}), 1);
  EXPECT_THAT(error_, HasSubstr("3 bytes of a file of 7"));
  EXPECT_FALSE(std::filesystem::exists(folder));
  services_.failures = {grpc::Status(grpc::UNAVAILABLE, "away")};
  EXPECT_EQ(Run({"models", "export", "pools/cats/models/2", "--out", folder}), 0) << error_;
  EXPECT_THAT(out_, HasSubstr("pools/cats/models/2"));
  EXPECT_EQ(content("model.safetensors"), "weights");
  EXPECT_EQ(content("model.json"), "{}\n");

  const size_t calls = services_.calls.size();
  EXPECT_EQ(Run({"models", "export", "cats", "--out", folder}), 2);
  EXPECT_THAT(error_, HasSubstr("--force"));
  EXPECT_EQ(services_.calls.size(), calls);
  services_.failures = {grpc::Status(grpc::INTERNAL, "broken")};
  EXPECT_EQ(Run({"models", "export", "cats", "--out", folder, "--force"}), 1);
  EXPECT_EQ(content("model.safetensors"), "weights");
  EXPECT_EQ(Run({"models", "export", "cats", "--out", folder, "--force", "--json"}), 0) << error_;
  EXPECT_EQ(json::parse(out_), json({{"model", "pools/cats"}, {"folder", folder}, {"bytes", 7}}));
  const auto files = std::filesystem::directory_iterator(folder);
  EXPECT_EQ(std::distance(begin(files), end(files)), 2);
  EXPECT_EQ(Run({"models", "export", "cats", "--out", folder + "/model.json/x"}), 2);
}

TEST_F(CommandTest, ModelsImportGoesOnAfterABreakAndShowsHowFarItIs) {
  services_.breaks.emplace_back();  // at the first message
  const std::string file = folder_.Write("a.pth", "weights");
  EXPECT_EQ(Run({"models", "import", "cats", file, "--class-label", "cat=17"}), 0) << error_;
  ASSERT_THAT(services_.imports, SizeIs(2));
  EXPECT_EQ(services_.imports[1].data(), "weights");
  EXPECT_EQ(services_.imports[1].class_labels(0).label(), 17);
  EXPECT_THAT(out_, HasSubstr("pools/cats/models/1: 0 tensors taken"));
  EXPECT_THAT(error_, HasSubstr("7/7 bytes"));
  EXPECT_EQ(Run({"models", "import", "cats", file, "--class-label", "cat"}), 2);
  EXPECT_EQ(Run({"models", "import", "cats", folder_.path()}), 2);
  EXPECT_THAT(services_.imports, SizeIs(2));
}

TEST_F(CommandTest, ModelsRollback) {
  EXPECT_EQ(Run({"models", "rollback", "pools/cats/models/2"}), 0) << error_;
  EXPECT_EQ(out_, "pools/cats/models/2 is published\n");
  EXPECT_THAT(services_.request_ids, SizeIs(1));
  EXPECT_NE(services_.request_ids[0], "");
  EXPECT_EQ(Run({"models", "rollback", "pools/cats/models/2", "--json"}), 0);
  EXPECT_EQ(json::parse(out_)["published"], true);
}

TEST_F(CommandTest, TextThatIsNoUtf8DoesNotBreakTheDocument) {
  services_.failures = {grpc::Status(grpc::NOT_FOUND, "no pool \xff\xfe")};
  EXPECT_EQ(Run({"pool", "show", "cats", "--json"}), 1);
  EXPECT_TRUE(json::accept(out_)) << out_;
}

}  // namespace
}  // namespace mgral::client
