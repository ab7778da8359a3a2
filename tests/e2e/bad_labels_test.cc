// Labels that cannot be right: the error names the field, nothing is stored, the server goes on.
#include <cmath>
#include <limits>

#include "tests/e2e/api.h"

namespace mgral::test {
namespace {

using grpc::StatusCode;
using ::testing::IsEmpty;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

class BadLabelsTest : public ApiTest {
 protected:
  void ExpectNoLabels(const std::string& pool) {
    EXPECT_THAT(ListLabels(pool), IsEmpty());
    EXPECT_EQ(GetPool(pool).counts().labeled(), 0);
    ExpectServerGoesOn();
  }
};

TEST_F(BadLabelsTest, UnknownClass) {
  const std::string pool = MakePool();
  RegisterImages(pool, 2);
  const auto status =
      Ingest(pool, {LabelsOf("img_00", 1, 1, 4, 4), LabelsOf("img_01", 1, 1, 4, 4, "cow")});
  ExpectRefused(status, StatusCode::INVALID_ARGUMENT, "INVALID_FIELD",
                "labels[1].boxes[0].class_name", "\"cat\", \"dog\"");
  ExpectNoLabels(pool);
}

struct BadBox {
  double x, y, width, height;
  std::string field;
};

class BadBoxTest : public BadLabelsTest, public ::testing::WithParamInterface<BadBox> {};

TEST_P(BadBoxTest, IsRefusedWithItsField) {
  const BadBox& bad = GetParam();
  const std::string pool = MakePool();
  RegisterImages(pool, 1);
  const auto status = Ingest(pool, {LabelsOf("img_00", bad.x, bad.y, bad.width, bad.height)});
  ExpectRefused(status, StatusCode::INVALID_ARGUMENT, "INVALID_FIELD",
                "labels[0].boxes[0]." + bad.field);
  ExpectNoLabels(pool);
}

// Images are 24 x 16.
INSTANTIATE_TEST_SUITE_P(
    Boxes, BadBoxTest,
    ::testing::Values(BadBox{kNan, 0, 4, 4, "x_min"}, BadBox{0, kNan, 4, 4, "y_min"},
                      BadBox{0, 0, kNan, 4, "width"}, BadBox{0, 0, 4, kInfinity, "height"},
                      BadBox{-kInfinity, 0, 4, 4, "x_min"}, BadBox{-1, 0, 4, 4, "x_min"},
                      BadBox{0, -0.5, 4, 4, "y_min"}, BadBox{0, 0, -4, 4, "width"},
                      BadBox{0, 0, 4, 0, "height"}, BadBox{20, 0, 4.5, 4, "width"},
                      BadBox{0, 10, 4, 7, "height"}, BadBox{1e300, 0, 1e300, 4, "width"}));

TEST_F(BadLabelsTest, ABoxMayReachTheEdge) {
  const std::string pool = MakePool();
  RegisterImages(pool, 1);
  const auto status = Ingest(pool, {LabelsOf("img_00", 0.1, 0.3, 23.9, 15.7)});
  EXPECT_TRUE(status.ok()) << status.error_message();
}

TEST_F(BadLabelsTest, OutOfImageIsSeenWhereTheSizeWasNotLookedAt) {
  const std::string pool = MakePool();
  v1::BatchRegisterImagesRequest request;
  request.set_parent(pool);
  request.set_verification(v1::VERIFICATION_NONE);
  *request.add_images() = PathImage("a", ImageFolder::Name(0));
  grpc::ClientContext context;
  v1::BatchRegisterImagesResponse response;
  ASSERT_TRUE(api_.pools->BatchRegisterImages(&context, request, &response).ok());
  ExpectRefused(Ingest(pool, {LabelsOf("a", 0, 0, 25, 4)}), StatusCode::INVALID_ARGUMENT,
                "INVALID_FIELD", "labels[0].boxes[0].width", "24 x 16");
  ExpectNoLabels(pool);
}

TEST_F(BadLabelsTest, AllViolationsAreToldAtOnce) {
  const std::string pool = MakePool();
  RegisterImages(pool, 3);
  const auto status =
      Ingest(pool, {LabelsOf("img_00", kNan, 0, 4, 4), LabelsOf("img_01", 0, 0, 4, 4, "cow"),
                    LabelsOf("img_02", 0, 0, 99, 4)});
  EXPECT_EQ(Explain(status).FieldsText(),
            "labels[0].boxes[0].x_min, labels[1].boxes[0].class_name, labels[2].boxes[0].width");
  ExpectNoLabels(pool);
}

TEST_F(BadLabelsTest, AThousandViolationsStillFitIntoAnAnswer) {
  const std::string pool = MakePool();
  RegisterImages(pool, 1);
  std::vector<v1::NewLabels> labels;
  for (int i = 0; i < 1000; ++i) {
    labels.push_back(LabelsOf("unknown-" + std::string(200, 'x') + std::to_string(i), 0, 0, 4, 4,
                              std::string(2000, 'y')));
  }
  const auto status = Ingest(pool, labels);
  ExpectRefused(status, StatusCode::INVALID_ARGUMENT, "INVALID_FIELD",
                "labels[0].boxes[0].class_name");
  EXPECT_GT(Explain(status).violations.size(), 5u);
  ExpectNoLabels(pool);
}

TEST_F(BadLabelsTest, LabelsForAnImageNeverRegistered) {
  const std::string pool = MakePool();
  RegisterImages(pool, 1);
  const auto status =
      Ingest(pool, {LabelsOf("img_00", 0, 0, 4, 4), LabelsOf("stranger", 0, 0, 4, 4)});
  ExpectRefused(status, StatusCode::INVALID_ARGUMENT, "INVALID_FIELD", "labels[1].image_id",
                "not registered");
  ExpectNoLabels(pool);
}

TEST_F(BadLabelsTest, BoxesOfARefusedImageAndTwoLabelsOfOne) {
  const std::string pool = MakePool();
  RegisterImages(pool, 1);
  v1::NewLabels refused = LabelsOf("img_00", 0, 0, 4, 4);
  refused.set_reject_reason("blurred");
  ExpectRefused(Ingest(pool, {refused}), StatusCode::INVALID_ARGUMENT, "INVALID_FIELD",
                "labels[0].reject_reason");
  ExpectRefused(Ingest(pool, {LabelsOf("img_00", 0, 0, 4, 4), LabelsOf("img_00", 0, 0, 5, 5)}),
                StatusCode::INVALID_ARGUMENT, "INVALID_FIELD", "labels[1].image_id");
  ExpectNoLabels(pool);
}

TEST_F(BadLabelsTest, UnknownBatches) {
  const std::string pool = MakePool();
  RegisterImages(pool, 1);
  for (const std::string& batch :
       {pool + "/batches/999999", std::string("pools/other/batches/1"), std::string("nonsense")}) {
    v1::NewLabels labels = LabelsOf("img_00", 0, 0, 4, 4);
    labels.set_batch(batch);
    ExpectRefused(Ingest(pool, {labels}), StatusCode::INVALID_ARGUMENT, "INVALID_FIELD",
                  "labels[0].batch");
  }
  ExpectNoLabels(pool);
}

}  // namespace
}  // namespace mgral::test
