#pragma once

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "mgral/v1/cycle_service.grpc.pb.h"
#include "mgral/v1/label_service.grpc.pb.h"
#include "mgral/v1/model_service.grpc.pb.h"
#include "mgral/v1/pool_service.grpc.pb.h"
#include "mgral/v1/prediction_service.grpc.pb.h"
#include "mgral/v1/selection_service.grpc.pb.h"
#include "tests/support/postgres.h"
#include "tests/support/server_process.h"

namespace mgral::test {

namespace v1 = mgral::v1;

// Stubs of all services over one connection.
struct Api {
  explicit Api(std::shared_ptr<grpc::Channel> channel);
  std::unique_ptr<v1::PoolService::Stub> pools;
  std::unique_ptr<v1::SelectionService::Stub> selection;
  std::unique_ptr<v1::LabelService::Stub> labels;
  std::unique_ptr<v1::CycleService::Stub> cycles;
  std::unique_ptr<v1::ModelService::Stub> models;
  std::unique_ptr<v1::PredictionService::Stub> predictions;
};

// What the details of an error say.
struct Explained {
  std::string reason, domain;
  std::vector<std::pair<std::string, std::string>> violations;  // field, description
  std::string resource;
  double retry_seconds = 0;
  std::string FieldsText() const;  // "a, b"
};
Explained Explain(const grpc::Status& status);

// A folder of images with hostile neighbors, below a folder that goes with it:
//   root/img_00.png ... img_59.png    24 x 16 pixels
//   root/truncated.jpg, root/huge.png (claims 20000 x 20000), root/text.jpg
//   root/link.png -> outside.png; outside.png lies beside the root
class ImageFolder {
 public:
  static constexpr int kImages = 60, kWidth = 24, kHeight = 16;
  ImageFolder();
  ~ImageFolder();
  std::string root() const { return folder_ + "/root"; }
  static std::string Name(int i);  // "img_07.png"
  std::string Bytes(const std::string& name) const;

 private:
  std::string folder_;
};

// A test against the real server and a real database, which all tests of the program share; each
// has pools of its own.
class ApiTest : public ::testing::Test {
 protected:
  static TestDatabase& Database();
  static ImageFolder& Images();
  static ServerProcess& Server();  // --roles=api
  // Its flags: the database and folders of this program, the API only.
  static std::vector<std::string> Flags(const std::string& database_conninfo);

  ApiTest();
  // A pool of classes "cat" and "dog", whose id is made of the test's name.
  std::string MakePool(const std::string& suffix = "");
  static v1::NewImage PathImage(const std::string& image_id, const std::string& path);
  // Registers img_00.png ... as img_00 ...; fails the test unless all of them are new.
  void RegisterImages(const std::string& pool, int count);
  v1::Pool GetPool(const std::string& pool);
  std::vector<v1::Image> ListImages(const std::string& pool);
  std::vector<v1::Labels> ListLabels(const std::string& pool);
  static v1::NewLabels LabelsOf(const std::string& image_id, double x, double y, double width,
                                double height, const std::string& class_name = "cat");
  grpc::Status Register(const std::string& pool, const std::vector<v1::NewImage>& images,
                        v1::BatchRegisterImagesResponse* response = nullptr);
  grpc::Status Ingest(const std::string& pool, const std::vector<v1::NewLabels>& labels,
                      v1::BatchIngestLabelsResponse* response = nullptr);
  grpc::Status Query(const std::string& pool, int size, v1::Batch* batch,
                     const std::function<void(v1::QueryBatchRequest*)>& change = {});
  // The server answers a good call; it is the same process as before.
  void ExpectServerGoesOn();

  Api api_;
};

// The call was refused: its code, its reason and the field of its first violation.
void ExpectRefused(const grpc::Status& status, grpc::StatusCode code, const std::string& reason,
                   const std::string& field, const std::string& words = "");

}  // namespace mgral::test
