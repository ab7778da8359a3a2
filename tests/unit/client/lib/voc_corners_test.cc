// What the corners of a VOC dataset count from is decided by what its files say.
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/cpp/lib/dataset.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/client/temporary_folder.h"

namespace mgral::client {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr char kLabelStudio[] = "<owner><flickrid>NULL</flickrid><name>Label Studio</name></owner>";
constexpr char kDatumaro[] =
    "<source><database>Unknown</database><annotation>Unknown</annotation>"
    "<image>Unknown</image></source>";
constexpr char kLabelImg[] = "<source><database>Unknown</database></source>";
constexpr char kPascal[] = "<source><database>The VOC2007 Database</database></source>";

class VocCornersTest : public testing::Test {
 protected:
  void Write(const std::string& stem, const std::string& head, const std::string& x_min,
             const std::string& y_min) {
    folder_.Write(absl::StrCat("JPEGImages/", stem, ".jpg"), "x");
    folder_.Write(
        absl::StrCat("Annotations/", stem, ".xml"),
        absl::StrCat("<annotation>", head, "<filename>", stem,
                     ".jpg</filename><size><width>100</width><height>80</height></size><object>"
                     "<name>cat</name><bndbox><xmin>",
                     x_min, "</xmin><ymin>", y_min,
                     "</ymin><xmax>30</xmax><ymax>50</ymax></bndbox></object></annotation>"));
  }
  absl::StatusOr<Dataset> Read(VocCorners corners = VocCorners::kAuto) {
    ReadOptions options;
    options.voc_corners = corners;
    return ReadVoc(folder_.path(), options);
  }
  // Of the first image: 10, 20, 30, 50.
  void ExpectBox(const Dataset& dataset, bool from_zero) {
    const DatasetBox& box = dataset.images[0].boxes[0];
    EXPECT_THAT((std::vector<double>{box.x_min, box.y_min, box.width, box.height}),
                from_zero ? ElementsAre(10, 20, 20, 30) : ElementsAre(9, 19, 21, 31));
  }

  TemporaryFolder folder_;
};

TEST_F(VocCornersTest, AreDecidedByEvidence) {
  const struct {
    const char *head, *x_min, *y_min;
    bool from_zero;
    const char* note;
  } kCases[] = {
      {"", "0", "5", true, "count from 0: 1 of 2 boxes begin at 0"},
      {"", "5", "0.4", true, "count from 0: 1 of 2 boxes begin at 0"},
      {kLabelStudio, "1", "1", true, "2 of 2 files are from Label Studio"},
      {kDatumaro, "1", "1", true, "2 of 2 files are from Label Studio, CVAT or Datumaro"},
      {kPascal, "1", "1", false, "count from 1: the files are Pascal VOC's own"},
      {kLabelImg, "1", "1", false, "count from 1, as in Pascal VOC: no box begins at 0"},
      {"", "1", "1", false, "count from 1, as in Pascal VOC: no box begins at 0"},
      {"", "-3", "1", false, "count from 1, as in Pascal VOC: no box begins at 0"},
  };
  for (const auto& each : kCases) {
    SCOPED_TRACE(absl::StrCat(each.head, " ", each.x_min, " ", each.y_min));
    Write("a", each.head, "10", "20");
    Write("b", each.head, each.x_min, each.y_min);
    const auto dataset = Read();
    ASSERT_TRUE(dataset.ok()) << dataset.status();
    ExpectBox(*dataset, each.from_zero);
    EXPECT_THAT(dataset->notes, ElementsAre(HasSubstr(each.note)));
  }
}

TEST_F(VocCornersTest, CanBeSaid) {
  Write("a", kLabelStudio, "10", "20");
  ExpectBox(*Read(VocCorners::kFromOne), false);
  Write("a", kPascal, "10", "20");
  const auto dataset = Read(VocCorners::kFromZero);
  ExpectBox(*dataset, true);
  EXPECT_THAT(dataset->notes, ElementsAre());
  EXPECT_FALSE(ParseVocCorners("2").ok());
}

TEST_F(VocCornersTest, ContradictingEvidenceIsAnError) {
  Write("a", kPascal, "10", "20");
  Write("b", "", "0", "20");
  const auto dataset = Read();
  ASSERT_FALSE(dataset.ok());
  EXPECT_THAT(std::string(dataset.status().message()),
              testing::AllOf(HasSubstr("1 of 2 boxes begin at 0"),
                             HasSubstr("1 are Pascal VOC's own"), HasSubstr("--voc-corners=0")));
}

}  // namespace
}  // namespace mgral::client
