#include <string>

#include "client/cpp/lib/dataset.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/client/temporary_folder.h"

namespace mgral::client {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string Object(const std::string& name, const std::string& box, const std::string& more = "") {
  return "<object><name>" + name + "</name>" + more + "<bndbox>" + box + "</bndbox></object>";
}
std::string Corners(const std::string& a, const std::string& b, const std::string& c,
                    const std::string& d) {
  return "<xmin>" + a + "</xmin><ymin>" + b + "</ymin><xmax>" + c + "</xmax><ymax>" + d + "</ymax>";
}

class VocReaderTest : public testing::Test {
 protected:
  VocReaderTest() { folder_.Write("JPEGImages/a.jpg", "x"); }

  void Annotate(const std::string& name, const std::string& objects,
                const std::string& file = "<filename>a.jpg</filename>") {
    folder_.Write("Annotations/" + name,
                  "<?xml version=\"1.0\"?>\n<annotation verified='yes'>" + file +
                      "<size><width>100</width><height>80</height><depth>3</depth></size>" +
                      objects + "</annotation>\n");
  }
  std::string Error() {
    const auto dataset = ReadVoc(folder_.path());
    EXPECT_FALSE(dataset.ok());
    return std::string(dataset.status().message());
  }

  TemporaryFolder folder_;
};

TEST_F(VocReaderTest, PixelsCountFromOneAndTheLastBelongsToTheBox) {
  Annotate("a.xml", Object("dog", Corners("1", "11", "100", "20")) +
                        Object("cat", Corners("3", "3", "3", "3"), "<difficult>1</difficult>"));
  const auto dataset = ReadVoc(folder_.path());
  ASSERT_TRUE(dataset.ok()) << dataset.status();
  EXPECT_THAT(dataset->classes, ElementsAre("cat", "dog"));
  const auto& boxes = dataset->images[0].boxes;
  ASSERT_EQ(boxes.size(), 2u);
  EXPECT_EQ(boxes[0].x_min, 0);
  EXPECT_EQ(boxes[0].width, 100);
  EXPECT_EQ(boxes[0].y_min, 10);
  EXPECT_EQ(boxes[0].height, 10);
  EXPECT_FALSE(boxes[0].ignore);
  EXPECT_EQ(boxes[1].width, 1);
  EXPECT_TRUE(boxes[1].ignore);
}

TEST_F(VocReaderTest, PartsOfObjectsAreNoObjects) {
  Annotate("a.xml", Object("person", Corners("1", "1", "50", "50"),
                           "<part><name>head</name><bndbox>" + Corners("5", "5", "9", "9") +
                               "</bndbox></part>"));
  const auto dataset = ReadVoc(folder_.path());
  ASSERT_TRUE(dataset.ok()) << dataset.status();
  EXPECT_THAT(dataset->classes, ElementsAre("person"));
  EXPECT_EQ(dataset->images[0].boxes[0].width, 50);
}

TEST_F(VocReaderTest, AFileWhoseNameElementIsStaleIsFoundByItsOwnName) {
  folder_.Write("JPEGImages/b.png", "x");
  Annotate("b.xml", "", "<filename>old_name.jpg</filename>");
  const auto dataset = ReadVoc(folder_.path());
  ASSERT_TRUE(dataset.ok()) << dataset.status();
  EXPECT_EQ(dataset->images[0].file_name, "b.png");
}

TEST_F(VocReaderTest, MissingImage) {
  Annotate("z.xml", "", "<filename>z.jpg</filename>");
  EXPECT_THAT(Error(), HasSubstr("z.xml: there is no file"));
}

TEST_F(VocReaderTest, PathsOutOfTheFolderAreRefused) {
  folder_.Write("secret.jpg", "x");
  Annotate("q.xml", "", "<filename>../secret.jpg</filename>");
  EXPECT_THAT(Error(), HasSubstr("\"..\""));
  Annotate("q.xml", "", "<filename>" + folder_.path("secret.jpg") + "</filename>");
  EXPECT_THAT(Error(), HasSubstr("is an absolute path"));
}

TEST_F(VocReaderTest, TwoAnnotationsOfOneImage) {
  Annotate("a.xml", "");
  Annotate("b.xml", "");
  EXPECT_THAT(Error(), HasSubstr("b.xml: \"a.jpg\" is also a.xml"));
}

TEST_F(VocReaderTest, BrokenBoxes) {
  for (const std::string& box :
       {Corners("nan", "1", "2", "3"), Corners("1", "1", "inf", "3"), Corners("", "1", "2", "3"),
        Corners("one", "1", "2", "3"), std::string("<xmin>1</xmin>"), std::string()}) {
    Annotate("a.xml", Object("dog", box));
    EXPECT_THAT(Error(), HasSubstr("a.xml object 1: <bndbox> does not hold four finite numbers"));
  }
  Annotate("a.xml", "<object><bndbox>" + Corners("1", "1", "2", "3") + "</bndbox></object>");
  EXPECT_THAT(Error(), HasSubstr("a.xml object 1: <name> is missing"));
}

TEST_F(VocReaderTest, BoxesOutsideAreClippedOrDropped) {
  Annotate("a.xml", Object("dog", Corners("50", "50", "400", "400")) +
                        Object("dog", Corners("300", "300", "400", "400")) +
                        Object("dog", Corners("20", "20", "10", "10")));
  const auto dataset = ReadVoc(folder_.path());
  ASSERT_TRUE(dataset.ok()) << dataset.status();
  EXPECT_EQ(dataset->images[0].boxes.size(), 1u);
  EXPECT_EQ(dataset->clipped_boxes, 1);
  EXPECT_EQ(dataset->dropped_boxes, 2);
}

TEST_F(VocReaderTest, BrokenXmlNamesFileAndLine) {
  folder_.Write("Annotations/a.xml", "<annotation>\n<filename>a.jpg\n");
  EXPECT_THAT(Error(), testing::AllOf(HasSubstr("a.xml: is not XML"), HasSubstr("line 2")));
  for (const char* text : {"", "text", "<", "<annotation", "<annotation><object></annotation>",
                           "<annotation/><annotation/>", "<annotation x=1></annotation>"}) {
    folder_.Write("Annotations/a.xml", text);
    EXPECT_THAT(Error(), HasSubstr("a.xml: is not XML")) << text;
  }
  folder_.Write("Annotations/a.xml", "<html></html>");
  EXPECT_THAT(Error(), HasSubstr("not the <annotation>"));
}

TEST_F(VocReaderTest, DeclarationsOfEntitiesAreRefused) {
  for (const char* type : {"<!DOCTYPE a [<!ENTITY x \"xx\"><!ENTITY y \"&x;&x;\">]>",
                           "<!DOCTYPE a SYSTEM \"file:///etc/passwd\">"}) {
    folder_.Write("Annotations/a.xml", std::string(type) + "<annotation>&y;</annotation>");
    EXPECT_THAT(Error(), HasSubstr("a.xml: has a document type with declarations"));
  }
}

TEST_F(VocReaderTest, EntitiesCommentsAndDataAreReadAndDepthIsNoDanger) {
  Annotate("a.xml", "<!-- <object> -->" +
                        Object("cat &amp; <![CDATA[<dog>]]>", Corners("1", "1", "9", "9")));
  const auto dataset = ReadVoc(folder_.path());
  ASSERT_TRUE(dataset.ok()) << dataset.status();
  EXPECT_EQ(dataset->images[0].boxes.size(), 1u);
  std::string deep;
  for (int i = 0; i < 100000; ++i) deep += "<a>";
  folder_.Write("Annotations/a.xml", deep);
  EXPECT_THAT(Error(), HasSubstr("is not XML"));
}

TEST_F(VocReaderTest, NoFolders) {
  EXPECT_THAT(Error(), HasSubstr("Annotations"));
  EXPECT_TRUE(absl::IsNotFound(ReadVoc(folder_.path("nowhere")).status()));
}

TEST_F(VocReaderTest, ImageSetsAreSplits) {
  folder_.Write("JPEGImages/b.jpg", "x");
  Annotate("a.xml", "");
  Annotate("b.xml", "", "<filename>b.jpg</filename>");
  folder_.Write("ImageSets/Main/train.txt", "b\r\n\n");
  folder_.Write("ImageSets/Main/test.txt", "a 1\n");
  auto dataset = ReadVoc(folder_.path());
  ASSERT_TRUE(dataset.ok()) << dataset.status();
  EXPECT_THAT(dataset->splits->train, ElementsAre(1));
  EXPECT_THAT(dataset->splits->test, ElementsAre(0));
  folder_.Write("ImageSets/Main/test.txt", "unknown\n");
  EXPECT_THAT(Error(), HasSubstr("\"unknown\""));
}

}  // namespace
}  // namespace mgral::client
