#include "tests/e2e/api.h"

#include <unistd.h>
#include <zlib.h>

#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>
#include <sstream>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "server/main/healthcheck.h"

namespace mgral::test {
namespace {

namespace fs = std::filesystem;

void WriteFile(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

std::string Encode(const std::string& extension, int width, int height, int shade) {
  const cv::Mat image(height, width, CV_8UC3, cv::Scalar(shade, 255 - shade, shade / 2));
  std::vector<uchar> bytes;
  cv::imencode(extension, image, bytes);
  return std::string(bytes.begin(), bytes.end());
}

void AppendBigEndian(uint32_t value, std::string* out) {
  for (int shift = 24; shift >= 0; shift -= 8) out->push_back(static_cast<char>(value >> shift));
}

std::string PngChunk(const std::string& type, const std::string& data) {
  std::string chunk;
  AppendBigEndian(static_cast<uint32_t>(data.size()), &chunk);
  const std::string body = type + data;
  chunk += body;
  const auto* bytes = reinterpret_cast<const Bytef*>(body.data());
  AppendBigEndian(static_cast<uint32_t>(crc32(0, bytes, body.size())), &chunk);
  return chunk;
}

// A sound header of 20000 x 20000 pixels, with next to no data: whoever decodes it needs 1.2 GB.
std::string HugePng() {
  std::string header;
  AppendBigEndian(20000, &header);
  AppendBigEndian(20000, &header);
  header += std::string("\x08\x02\x00\x00\x00", 5);  // 8 bits, RGB
  const std::string nothing("\x78\x9c\x03\x00\x00\x00\x00\x01", 8);
  return std::string("\x89PNG\r\n\x1a\n", 8) + PngChunk("IHDR", header) +
         PngChunk("IDAT", nothing) + PngChunk("IEND", "");
}

}  // namespace

Api::Api(std::shared_ptr<grpc::Channel> channel)
    : pools(v1::PoolService::NewStub(channel)),
      selection(v1::SelectionService::NewStub(channel)),
      labels(v1::LabelService::NewStub(channel)),
      cycles(v1::CycleService::NewStub(channel)),
      models(v1::ModelService::NewStub(channel)),
      predictions(v1::PredictionService::NewStub(channel)) {}

std::string Explained::FieldsText() const {
  std::string all;
  for (const auto& [field, text] : violations) all += (all.empty() ? "" : ", ") + field;
  return all;
}

Explained Explain(const grpc::Status& status) {
  Explained explained;
  google::rpc::Status details;
  if (!details.ParseFromString(status.error_details())) return explained;
  for (const google::protobuf::Any& detail : details.details()) {
    google::rpc::ErrorInfo info;
    google::rpc::BadRequest bad_request;
    google::rpc::ResourceInfo resource;
    google::rpc::RetryInfo retry;
    if (detail.UnpackTo(&info)) {
      explained.reason = info.reason();
      explained.domain = info.domain();
    } else if (detail.UnpackTo(&bad_request)) {
      for (const auto& violation : bad_request.field_violations()) {
        explained.violations.emplace_back(violation.field(), violation.description());
      }
    } else if (detail.UnpackTo(&resource)) {
      explained.resource = resource.resource_name();
    } else if (detail.UnpackTo(&retry)) {
      explained.retry_seconds =
          static_cast<double>(retry.retry_delay().seconds()) + retry.retry_delay().nanos() * 1e-9;
    }
  }
  return explained;
}

ImageFolder::ImageFolder() {
  folder_ = (fs::temp_directory_path() / "mgral-e2e-XXXXXX").string();
  if (mkdtemp(&folder_[0]) == nullptr) abort();
  fs::create_directory(root());
  for (int i = 0; i < kImages; ++i) {
    WriteFile(root() + "/" + Name(i), Encode(".png", kWidth, kHeight, 4 * i));
  }
  const std::string jpeg = Encode(".jpg", 200, 120, 90);
  WriteFile(root() + "/whole.jpg", jpeg);
  WriteFile(root() + "/truncated.jpg", jpeg.substr(0, jpeg.size() * 2 / 3));
  WriteFile(root() + "/text.jpg", "these are no pixels");
  WriteFile(root() + "/huge.png", HugePng());
  WriteFile(folder_ + "/outside.png", Encode(".png", kWidth, kHeight, 1));
  fs::create_symlink(folder_ + "/outside.png", root() + "/link.png");
}

ImageFolder::~ImageFolder() {
  std::error_code ignored;
  fs::remove_all(folder_, ignored);
}

std::string ImageFolder::Name(int i) {
  char name[32];
  snprintf(name, sizeof(name), "img_%02d.png", i);
  return name;
}

std::string ImageFolder::Bytes(const std::string& name) const {
  std::ifstream file(root() + "/" + name, std::ios::binary);
  std::ostringstream bytes;
  bytes << file.rdbuf();
  return bytes.str();
}

TestDatabase& ApiTest::Database() {
  static const std::unique_ptr<TestDatabase> database = TestDatabase::Create();
  return *database;
}

ImageFolder& ApiTest::Images() {
  static ImageFolder images;
  return images;
}

std::vector<std::string> ApiTest::Flags(const std::string& database_conninfo) {
  return {"--database=" + database_conninfo, "--image_root=" + Images().root(), "--roles=api",
          "--expire_interval=100ms", "--threads=1"};
}

ServerProcess& ApiTest::Server() {
  Database();
  Images();  // made before the server, gone after it
  static ServerProcess server({Flags(Database().conninfo()), {}});
  return server;
}

ApiTest::ApiTest() : api_(Server().NewChannel()) {}

std::string ApiTest::MakePool(const std::string& suffix) {
  const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
  std::string id = std::string("t-") + test->name() + suffix;
  for (char& c : id) c = std::isalnum(c) ? static_cast<char>(std::tolower(c)) : '-';
  v1::CreatePoolRequest request;
  request.set_pool_id(id.substr(0, 63));
  request.mutable_pool()->add_classes("cat");
  request.mutable_pool()->add_classes("dog");
  request.mutable_pool()->mutable_detector()->set_profile("micro");
  grpc::ClientContext context;
  v1::Pool pool;
  const grpc::Status status = api_.pools->CreatePool(&context, request, &pool);
  EXPECT_TRUE(status.ok()) << status.error_message();
  return pool.name();
}

v1::NewImage ApiTest::PathImage(const std::string& image_id, const std::string& path) {
  v1::NewImage image;
  image.set_image_id(image_id);
  image.mutable_source()->set_path(path);
  return image;
}

void ApiTest::RegisterImages(const std::string& pool, int count) {
  std::vector<v1::NewImage> images;
  for (int i = 0; i < count; ++i) {
    const std::string name = ImageFolder::Name(i);
    images.push_back(PathImage(name.substr(0, 6), name));
  }
  v1::BatchRegisterImagesResponse response;
  const grpc::Status status = Register(pool, images, &response);
  ASSERT_TRUE(status.ok()) << status.error_message();
  ASSERT_EQ(response.registered(), count);
}

grpc::Status ApiTest::Register(const std::string& pool, const std::vector<v1::NewImage>& images,
                               v1::BatchRegisterImagesResponse* response) {
  v1::BatchRegisterImagesRequest request;
  v1::BatchRegisterImagesResponse ignored;
  request.set_parent(pool);
  for (const v1::NewImage& image : images) *request.add_images() = image;
  grpc::ClientContext context;
  return api_.pools->BatchRegisterImages(&context, request,
                                         response == nullptr ? &ignored : response);
}

grpc::Status ApiTest::Ingest(const std::string& pool, const std::vector<v1::NewLabels>& labels,
                             v1::BatchIngestLabelsResponse* response) {
  v1::BatchIngestLabelsRequest request;
  v1::BatchIngestLabelsResponse ignored;
  request.set_parent(pool);
  for (const v1::NewLabels& one : labels) *request.add_labels() = one;
  grpc::ClientContext context;
  return api_.labels->BatchIngestLabels(&context, request,
                                        response == nullptr ? &ignored : response);
}

grpc::Status ApiTest::Query(const std::string& pool, int size, v1::Batch* batch,
                            const std::function<void(v1::QueryBatchRequest*)>& change) {
  v1::QueryBatchRequest request;
  request.set_parent(pool);
  request.set_size(size);
  if (change) change(&request);
  grpc::ClientContext context;
  batch->Clear();
  return api_.selection->QueryBatch(&context, request, batch);
}

v1::Pool ApiTest::GetPool(const std::string& pool) {
  v1::GetPoolRequest request;
  request.set_name(pool);
  grpc::ClientContext context;
  v1::Pool response;
  const grpc::Status status = api_.pools->GetPool(&context, request, &response);
  EXPECT_TRUE(status.ok()) << status.error_message();
  return response;
}

std::vector<v1::Image> ApiTest::ListImages(const std::string& pool) {
  v1::ListImagesRequest request;
  request.set_parent(pool);
  request.set_page_size(1000);
  std::vector<v1::Image> images;
  do {
    grpc::ClientContext context;
    v1::ListImagesResponse response;
    const grpc::Status status = api_.pools->ListImages(&context, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    images.insert(images.end(), response.images().begin(), response.images().end());
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty());
  return images;
}

std::vector<v1::Labels> ApiTest::ListLabels(const std::string& pool) {
  v1::ListLabelsRequest request;
  request.set_parent(pool);
  request.set_page_size(1000);
  grpc::ClientContext context;
  v1::ListLabelsResponse response;
  const grpc::Status status = api_.labels->ListLabels(&context, request, &response);
  EXPECT_TRUE(status.ok()) << status.error_message();
  return {response.labels().begin(), response.labels().end()};
}

v1::NewLabels ApiTest::LabelsOf(const std::string& image_id, double x, double y, double width,
                                double height, const std::string& class_name) {
  v1::NewLabels labels;
  labels.set_image_id(image_id);
  v1::Box* box = labels.add_boxes();
  box->set_x_min(x);
  box->set_y_min(y);
  box->set_width(width);
  box->set_height(height);
  box->set_class_name(class_name);
  return labels;
}

void ApiTest::ExpectServerGoesOn() {
  ASSERT_TRUE(Server().Running()) << Server().log();
  const absl::Status health = server::CheckHealth(Server().target());
  EXPECT_TRUE(health.ok()) << health.ToString();
  grpc::ClientContext context;
  v1::ListPoolsResponse response;
  const grpc::Status status = api_.pools->ListPools(&context, v1::ListPoolsRequest(), &response);
  EXPECT_TRUE(status.ok()) << status.error_message();
}

void ExpectRefused(const grpc::Status& status, grpc::StatusCode code, const std::string& reason,
                   const std::string& field, const std::string& words) {
  const Explained explained = Explain(status);
  EXPECT_EQ(status.error_code(), code) << status.error_message();
  EXPECT_EQ(explained.reason, reason) << status.error_message();
  EXPECT_EQ(explained.domain, "mgral");
  if (!field.empty()) {
    ASSERT_FALSE(explained.violations.empty()) << status.error_message();
    EXPECT_EQ(explained.violations[0].first, field) << status.error_message();
  }
  EXPECT_THAT(status.error_message(), ::testing::HasSubstr(words));
}

}  // namespace mgral::test
