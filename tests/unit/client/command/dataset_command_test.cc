#include <fstream>
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
  const std::string file = folder_.path("to_label.json");
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
  EXPECT_EQ(Run({"query", "cats", "--size", "1", "--coco-out", "/no/such/folder/x"}), 2);
  EXPECT_THAT(error_, HasSubstr("mgral release pools/cats/batches/7"));
}

TEST_F(CommandTest, RejectedImagesGoWithTheirReason) {
  EXPECT_EQ(Run({"reject", "cats", "a.jpg", "b.jpg"}), 2);
  EXPECT_EQ(Run({"reject", "cats", "a.jpg", "b.jpg", "--reason", "blurred"}), 0) << error_;
  EXPECT_THAT(services_.labeled, ElementsAre("a.jpg", "b.jpg"));
  EXPECT_EQ(services_.last_labels.reject_reason(), "blurred");
  EXPECT_THAT(services_.request_ids, SizeIs(1));
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

TEST_F(CommandTest, RegisterTakesAFolderOfImagesWithoutLabels) {
  folder_.Write("photos/b.JPG", "bytes of b");
  folder_.Write("photos/day1/a.png", "bytes of a");
  folder_.Write("photos/remarks.txt", "x");
  EXPECT_EQ(Run({"register", "cats", "--images", folder_.path("photos")}), 0) << error_;
  ASSERT_THAT(services_.images, SizeIs(2));
  EXPECT_EQ(services_.images["b.JPG"].source().data(), "bytes of b");
  EXPECT_EQ(services_.images["day1:a.png"].source().data(), "bytes of a");
  services_.images.clear();
  EXPECT_EQ(Run({"register", "cats", "--images", folder_.path("photos/"), "--server-path", "x"}),
            0);
  EXPECT_EQ(services_.images["day1:a.png"].source().path(), "x/day1/a.png");
  std::filesystem::create_directory(folder_.path("empty"));
  EXPECT_EQ(Run({"register", "cats", "--images", folder_.path("empty")}), 2);
  EXPECT_THAT(error_, HasSubstr("there are no images in it"));
  EXPECT_EQ(Run({"register", "cats", "--images", folder_.path("nowhere")}), 2);
  EXPECT_THAT(error_, HasSubstr("there is no such folder"));
}

TEST_F(CommandTest, RegisterKeepsTheTestSplitOut) {
  const std::string splits = folder_.Write(
      "my_splits.json", R"({"train": ["a.jpg"], "val": ["b.jpg"], "test": ["c.jpg"]})");
  EXPECT_EQ(Run({"register", "cats", "--coco", Coco(), "--splits", splits}), 0) << error_;
  ASSERT_THAT(services_.images, SizeIs(2));
  EXPECT_EQ(services_.images["a.jpg"].use(), v1::IMAGE_USE_TRAINING);
  EXPECT_EQ(services_.images["b.jpg"].use(), v1::IMAGE_USE_VALIDATION);
}

TEST_F(CommandTest, SplitsThatLeaveNothingToRegisterAreAMistake) {
  const std::string splits = folder_.Write("my_splits.json", R"({"test": ["c.jpg"]})");
  EXPECT_EQ(Run({"register", "cats", "--coco", Coco(), "--splits", splits}), 2);
  EXPECT_THAT(error_, HasSubstr("nothing to register"));
}

TEST_F(CommandTest, RefusedImagesAreExitCode1AndTheRestIsRegistered) {
  const std::string coco = folder_.Write(
      "refuse.json",
      R"({"images": [{"id": 1, "file_name": "a.jpg"}, {"id": 2, "file_name": "refuse.jpg"}],
          "categories": [], "annotations": []})");
  Coco();
  folder_.Write("images/refuse.jpg", "x");
  EXPECT_EQ(Run({"register", "cats", "--coco", coco, "--json"}), 1);
  const json document = json::parse(out_);  // one document, in spite of the error
  EXPECT_EQ(document["registered"], 1);
  EXPECT_EQ(document["refused"][0]["image_id"], "refuse.jpg");
  EXPECT_THAT(error_, HasSubstr("1 images were refused"));
}

TEST_F(CommandTest, BrokenDatasetsNameTheEntryAndAskNothing) {
  const std::string coco = folder_.Write("bad.json", R"({"images": [{"id": 1}]})");
  EXPECT_EQ(Run({"register", "cats", "--coco", coco, "--images", folder_.path()}), 2);
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
  const std::string file = folder_.path("labels.json");
  services_.failures = {grpc::Status(grpc::DATA_LOSS, "broken in the middle")};
  EXPECT_EQ(Run({"export", "cats", "--out", file}), 1);
  EXPECT_FALSE(std::filesystem::exists(file));
  EXPECT_FALSE(std::filesystem::exists(file + ".tmp"));
  EXPECT_EQ(Run({"export", "cats", "--out", file}), 0) << error_;
  std::ifstream written(file);
  EXPECT_TRUE(json::parse(written).contains("images"));
}

TEST_F(CommandTest, QueryNamesTheFilesThatTheImagesWereRegisteredFrom) {
  services_.batch.clear_images();
  const auto add = [this](const std::string& id, const std::string& path) {
    services_.batch.add_images()->set_image_id(id);
    services_.images[id].set_image_id(id);
    if (!path.empty()) services_.images[id].mutable_source()->set_path(path);
  };
  add("12:30.jpg", "shots/12:30.jpg");    // a ":" of its own
  add("day1:a.jpg", "shots/day1/a.jpg");  // a folder's
  add("cam:7", "shots/0007.jpg");         // made of no name
  add("::", "");                          // of none that a file could have
  const std::string file = folder_.path("to_label.json");
  EXPECT_EQ(Run({"query", "cats", "--size", "4", "--coco-out", file}), 0) << error_;
  std::ifstream written(file);
  const json document = json::parse(written);
  const std::vector<std::string> names = {"12:30.jpg", "day1/a.jpg", "shots/0007.jpg", "::"};
  for (size_t i = 0; i < names.size(); ++i) {
    EXPECT_EQ(document["images"][i]["file_name"], names[i]);
    EXPECT_EQ(document["images"][i]["mgral_image_id"], services_.batch.images(i).image_id());
  }
  EXPECT_EQ(Run({"label", "cats", "--coco", file, "--empty-is-labeled", "--json"}), 0) << error_;
  EXPECT_THAT(services_.labeled, ElementsAre("12:30.jpg", "day1:a.jpg", "cam:7", "::"));
  EXPECT_EQ(json::parse(out_)["matched"]["image_id"], 4);
}

TEST_F(CommandTest, LabelsGoToImagesOfTheSameBaseNameAndThatIsSaid) {
  for (const char* id : {"a.jpg", "day1:b.jpg", "left:c.jpg", "right:c.jpg"}) {
    services_.images[id] = {};
  }
  json document = {{"categories", {{{"id", 1}, {"name", "cat"}}}}};
  for (const char* name :
       {"a.jpg", "../../data/media/upload/1/f5e0cb5c-b.jpg", "up/c.jpg", "gone.jpg"}) {
    document["images"].push_back({{"id", name}, {"file_name", name}});
    document["annotations"].push_back(
        {{"image_id", name}, {"category_id", 1}, {"bbox", {1, 1, 20, 20}}});
  }
  const std::string file = folder_.Write("export.json", document.dump());
  EXPECT_EQ(Run({"label", "cats", "--coco", file}), 0) << error_;
  EXPECT_THAT(services_.labeled, ElementsAre("a.jpg", "day1:b.jpg"));
  EXPECT_THAT(error_, HasSubstr("1 by path, 1 by base name without its upload prefix, 1 ambiguous, "
                                "1 not found"));
}

TEST_F(CommandTest, ABaseNameMustBeUniqueInThePoolNotOnlyInTheBatch) {
  services_.images["left:a.jpg"] = services_.images["right:a.jpg"] = {};
  services_.batch.mutable_images(0)->set_image_id("left:a.jpg");
  EXPECT_EQ(Run({"label", "cats", "--coco", Coco(), "--batch", "pools/cats/batches/7"}), 2);
  EXPECT_THAT(services_.labeled, SizeIs(0));
  services_.images.erase("right:a.jpg");
  EXPECT_EQ(Run({"label", "cats", "--coco", Coco(), "--batch", "pools/cats/batches/7"}), 0);
  EXPECT_THAT(services_.labeled, ElementsAre("left:a.jpg"));
}

TEST_F(CommandTest, AFileInWhichMostImagesHaveNoAnnotationIsRefused) {
  services_.images["a.jpg"] = services_.images["c.jpg"] = {};
  EXPECT_EQ(Run({"label", "cats", "--coco", Coco()}), 0) << error_;  // one of two
  services_.labeled.clear();
  services_.images.erase("a.jpg");
  EXPECT_EQ(Run({"label", "cats", "--coco", Coco()}), 2);
  EXPECT_THAT(error_, testing::AllOf(HasSubstr("1 of 1 images have no annotation"),
                                     HasSubstr("--empty-is-labeled")));
  EXPECT_THAT(services_.labeled, SizeIs(0));
  for (const char* spelling : {"--empty-is-labeled", "--empty-is-labelled"}) {
    EXPECT_EQ(Run({"label", "cats", "--coco", Coco(), spelling}), 0) << error_;
    EXPECT_THAT(services_.labeled, ElementsAre("c.jpg"));
    services_.labeled.clear();
  }
}

TEST_F(CommandTest, LabelSaysHowItCountsTheCornersOfVoc) {
  services_.images["a.jpg"] = {};
  folder_.Write("voc/Annotations/a.xml",
                "<annotation><filename>a.jpg</filename><object><name>cat</name><bndbox><xmin>0"
                "</xmin><ymin>2</ymin><xmax>9</xmax><ymax>9</ymax></bndbox></object>"
                "</annotation>");
  EXPECT_EQ(Run({"label", "cats", "--voc", folder_.path("voc")}), 0) << error_;
  EXPECT_THAT(error_, HasSubstr("corners count from 0: 1 of 1 boxes begin at 0"));
  EXPECT_EQ(services_.last_labels.boxes(0).width(), 9);
  EXPECT_EQ(Run({"label", "cats", "--voc", folder_.path("voc"), "--voc-corners", "1"}), 0);
  EXPECT_EQ(services_.last_labels.boxes(0).y_min(), 1);
  EXPECT_EQ(Run({"label", "cats", "--voc", folder_.path("voc"), "--voc-corners", "2"}), 2);
}

}  // namespace
}  // namespace mgral::client
