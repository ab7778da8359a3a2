#include <algorithm>
#include <string>
#include <vector>

#include "client/cpp/lib/client.h"
#include "client/cpp/lib/errors.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/client/fake_server.h"
#include "tests/unit/client/temporary_folder.h"

namespace mgral::client {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class ImportWeightsTest : public testing::Test {
 protected:
  ImportWeightsTest() { header_.set_parent("pools/cats"); }

  absl::StatusOr<v1::ImportWeightsResponse> Import() {
    return client_->ImportWeights(header_, file_, [this](int64_t sent) { sent_.push_back(sent); });
  }
  static std::string Content() {
    std::string content((5 << 20) + 7, '\0');
    for (size_t i = 0; i < content.size(); ++i) content[i] = static_cast<char>(i % 251);
    return content;
  }
  // Ends a stream after some messages.
  void BreakAfter(int messages, const grpc::Status& status) {
    services_.breaks.emplace_back();
    services_.breaks.back().commits = messages;
    services_.breaks.back().status = status;
  }

  FakeServer server_;
  FakeServices& services_ = server_.services();
  std::vector<absl::Duration> waits_;
  std::unique_ptr<Client> client_ = server_.MakeClient(&waits_);
  TemporaryFolder folder_;
  const std::string content_ = Content();
  std::string file_ = folder_.Write("a.pth", content_);
  v1::ImportWeightsRequest header_;
  std::vector<int64_t> sent_;
};

TEST_F(ImportWeightsTest, TheFileFollowsItsHeader) {
  header_.add_class_labels()->set_class_name("cat");
  const auto imported = Import();
  ASSERT_TRUE(imported.ok()) << imported.status();
  EXPECT_EQ(imported->model().name(), "pools/cats/models/1");
  ASSERT_THAT(services_.imports, SizeIs(1));
  const v1::ImportWeightsRequest& came = services_.imports[0];
  EXPECT_EQ(came.file_name(), "a.pth");
  EXPECT_EQ(came.size_bytes(), static_cast<int64_t>(content_.size()));
  EXPECT_EQ(came.class_labels(0).class_name(), "cat");
  EXPECT_THAT(came.request_id(), SizeIs(32));
  EXPECT_TRUE(came.data() == content_);
  EXPECT_TRUE(std::is_sorted(sent_.begin(), sent_.end()));
  EXPECT_EQ(sent_.back(), static_cast<int64_t>(content_.size()));
}

TEST_F(ImportWeightsTest, ABrokenStreamIsSentAgainFromItsStart) {
  const grpc::Status gone(grpc::UNAVAILABLE, "gone");
  BreakAfter(3, gone);
  BreakAfter(0, gone);
  BreakAfter(1,
             Refusal(grpc::RESOURCE_EXHAUSTED, "OVERLOADED", "busy", "", absl::Milliseconds(700)));
  const auto imported = Import();
  ASSERT_TRUE(imported.ok()) << imported.status();
  ASSERT_THAT(services_.imports, SizeIs(4));
  EXPECT_EQ(services_.imports[0].data().size(), 2u << 20);
  EXPECT_TRUE(services_.imports[3].data() == content_);
  EXPECT_EQ(services_.imports[3].request_id(), services_.imports[0].request_id());
  ASSERT_THAT(waits_, SizeIs(3));
  EXPECT_EQ(waits_[2], absl::Milliseconds(700));
  EXPECT_FALSE(std::is_sorted(sent_.begin(), sent_.end()));  // the progress begins again, too
  EXPECT_EQ(sent_.back(), static_cast<int64_t>(content_.size()));
}

TEST_F(ImportWeightsTest, ItGivesUpInTheEnd) {
  for (int i = 0; i < 20; ++i) BreakAfter(2, grpc::Status(grpc::UNAVAILABLE, "gone"));
  EXPECT_TRUE(absl::IsUnavailable(Import().status()));
  EXPECT_THAT(services_.imports, SizeIs(client_->options().retry.max_attempts));
}

TEST_F(ImportWeightsTest, ARefusalIsPassedOn) {
  BreakAfter(2, Refusal(grpc::INVALID_ARGUMENT, "INVALID_FIELD", "holds Python code", "data"));
  const auto imported = Import();
  EXPECT_TRUE(absl::IsInvalidArgument(imported.status()));
  ASSERT_THAT(FieldViolations(imported.status()), SizeIs(1));
  EXPECT_EQ(FieldViolations(imported.status())[0].field, "data");
  EXPECT_THAT(services_.imports, SizeIs(1));
  EXPECT_THAT(waits_, IsEmpty());
}

TEST_F(ImportWeightsTest, WhatIsNoFileIsNamedAndNothingIsAsked) {
  for (const std::string& path : {folder_.path("missing.pth"), folder_.path()}) {
    file_ = path;
    const auto imported = Import();
    EXPECT_TRUE(absl::IsNotFound(imported.status())) << imported.status();
    EXPECT_THAT(std::string(imported.status().message()), HasSubstr(path));
  }
  EXPECT_THAT(services_.imports, IsEmpty());
}

}  // namespace
}  // namespace mgral::client
