#pragma once

#include <cctype>
#include <string>
#include <vector>

#include "tests/e2e/api.h"

namespace mgral::test {

// Pools of the classes cat and dog with an external detector.
class PredictionsTest : public ApiTest {
 protected:
  struct Answer {
    grpc::Status status;
    std::vector<v1::RefusedPredictions> refused;
    int64_t stored = 0, images = 0;
  };

  static ServerProcess& Both() {  // API and worker
    auto flags = Flags(Database().conninfo());
    flags.push_back("--roles=api,worker");
    static ServerProcess server({flags, {}});
    return server;
  }

  std::string MakeExternalPool() {
    const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
    v1::CreatePoolRequest request;
    request.set_pool_id("x-" + std::string(test->name()).substr(0, 50));
    for (char& c : *request.mutable_pool_id()) c = static_cast<char>(std::tolower(c));
    request.mutable_pool()->add_classes("cat");
    request.mutable_pool()->add_classes("dog");
    request.mutable_pool()->mutable_detector()->set_profile("external");
    grpc::ClientContext context;
    v1::Pool pool;
    const grpc::Status status = api_.pools->CreatePool(&context, request, &pool);
    EXPECT_TRUE(status.ok()) << status.error_message();
    EXPECT_EQ(pool.detector().profile(), "external");
    EXPECT_EQ(pool.selection().strategy(), "entropy");
    return pool.name();
  }

  static v1::NewPredictions Of(const std::string& image_id, double score = 0.5,
                               const std::vector<float>& embedding = {1, 0}) {
    v1::NewPredictions predictions;
    predictions.set_image_id(image_id);
    v1::Box* box = predictions.add_boxes();
    box->set_x_min(2);
    box->set_y_min(2);
    box->set_width(10);
    box->set_height(8);
    box->set_class_name("cat");
    box->set_score(score);
    predictions.mutable_embedding()->Add(embedding.begin(), embedding.end());
    return predictions;
  }

  // One stream of these messages.
  Answer PutMessages(const std::vector<v1::PutPredictionsRequest>& messages) {
    Answer answer;
    grpc::ClientContext context;
    auto stream = api_.predictions->PutPredictions(&context);
    v1::PutPredictionsResponse response;
    for (const v1::PutPredictionsRequest& message : messages) {
      if (!stream->Write(message) || !stream->Read(&response)) break;
      answer.stored += response.stored();
      answer.images = response.images();
      answer.refused.insert(answer.refused.end(), response.refused().begin(),
                            response.refused().end());
    }
    stream->WritesDone();
    answer.status = stream->Finish();
    return answer;
  }
  Answer Put(const std::string& pool, const std::vector<v1::NewPredictions>& predictions,
             const std::string& model = "yolo@1") {
    v1::PutPredictionsRequest request;
    request.set_parent(pool);
    request.set_model(model);
    for (const v1::NewPredictions& one : predictions) *request.add_predictions() = one;
    return PutMessages({request});
  }
  // The field that is to blame where one of two predictions is bad; the good one is stored.
  std::string Blamed(const std::string& pool, const v1::NewPredictions& bad) {
    const Answer answer = Put(pool, {Of("img_00"), bad});
    EXPECT_TRUE(answer.status.ok()) << answer.status.error_message();
    EXPECT_EQ(answer.stored, 1);
    EXPECT_EQ(answer.images, 1);  // nothing of the bad one
    if (answer.refused.size() != 1) return "";
    EXPECT_EQ(answer.refused[0].index(), 1);
    EXPECT_EQ(answer.refused[0].image_id(), bad.image_id());
    EXPECT_NE(answer.refused[0].reason(), "");
    return answer.refused[0].field();
  }

  grpc::Status Start(const std::string& pool, v1::Cycle* cycle) {
    v1::StartCycleRequest request;
    request.set_parent(pool);
    grpc::ClientContext context;
    return api_.cycles->StartCycle(&context, request, cycle);
  }
  // Runs a cycle to its end.
  v1::Cycle Rank(const std::string& pool) {
    Both();
    v1::Cycle cycle;
    const grpc::Status started = Start(pool, &cycle);
    EXPECT_TRUE(started.ok()) << started.error_message();
    v1::WatchCycleRequest watch;
    watch.set_name(cycle.name());
    grpc::ClientContext context;
    auto reader = api_.cycles->WatchCycle(&context, watch);
    v1::WatchCycleResponse response;
    while (reader->Read(&response)) cycle = response.cycle();
    EXPECT_TRUE(reader->Finish().ok());
    EXPECT_EQ(cycle.state(), v1::CYCLE_STATE_SUCCEEDED) << cycle.error();
    return cycle;
  }
  v1::Batch Take(const std::string& pool, int size, const std::string& strategy) {
    v1::Batch batch;
    const grpc::Status status =
        Query(pool, size, &batch, [&](auto* request) { request->set_strategy(strategy); });
    EXPECT_TRUE(status.ok()) << status.error_message();
    return batch;
  }
  static std::vector<std::string> ImageIds(const v1::Batch& batch) {
    std::vector<std::string> ids;
    for (const v1::BatchImage& image : batch.images()) ids.push_back(image.image_id());
    return ids;
  }
};

}  // namespace mgral::test
