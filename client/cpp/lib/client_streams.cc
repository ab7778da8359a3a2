// The calls of a Client that stream.
#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/cpp/lib/acked_stream.h"
#include "client/cpp/lib/client.h"
#include "client/cpp/lib/client_stubs.h"
#include "client/cpp/lib/credentials.h"
#include "client/cpp/lib/errors.h"

namespace mgral::client {
namespace {

// A watch is reopened this often, which detects a connection that died silently.
constexpr absl::Duration kWatchStream = absl::Minutes(10);

// Runs the stream to its end. `count` adds to the result what a response says of its own; refused
// items, which a response counts from the first of its connection, are common to all.
template <typename Result, typename Item, typename Request, typename Response, typename Count>
absl::StatusOr<Result> Upload(AckedStream<Item, Request, Response>* stream, const Count& count) {
  Result result;
  const absl::Status status = stream->Run([&](const Response& response, int64_t base) {
    count(response, &result);
    for (auto refused : response.refused()) {
      refused.set_index(refused.index() + base);
      result.refused.push_back(std::move(refused));
    }
  });
  if (!status.ok()) return status;
  result.reconnects = stream->reconnects();
  return result;
}

// The messages of a stream that only the server sends. Repeated by the policy as long as none has
// come.
template <typename Response, typename Open, typename Sink>
absl::Status Download(const ClientOptions& options, const Open& open, const Sink& sink) {
  for (int attempt = 1;; ++attempt) {
    grpc::ClientContext context;  // no deadline: a big file takes its time
    AddApiKey(options, &context);
    const auto reader = open(&context);
    Response response;
    bool delivered = false;
    while (reader->Read(&response)) {
      delivered = true;
      const absl::Status taken = sink(response);
      if (taken.ok()) continue;
      context.TryCancel();
      reader->Finish();
      return taken;
    }
    const absl::Status status = FromGrpc(reader->Finish());
    if (delivered || !options.retry.IsRetryable(status) || attempt >= options.retry.max_attempts) {
      return status;
    }
    options.retry.Wait(options.retry.Delay(status, attempt));
  }
}

}  // namespace

absl::StatusOr<RegisterResult> Client::RegisterImages(const std::string& pool,
                                                      const Source<v1::NewImage>& source,
                                                      const StreamOptions& stream,
                                                      const AcknowledgedCallback& acknowledged) {
  using Acked = AckedStream<v1::NewImage, v1::RegisterImagesRequest, v1::RegisterImagesResponse>;
  Acked::Call call;
  call.open = [this](grpc::ClientContext* context) { return stubs_->pool.RegisterImages(context); };
  call.first.set_parent(pool);
  call.first.set_verification(stream.verification);
  call.add = &v1::RegisterImagesRequest::add_images;
  Acked images(options_, stream, std::move(call), source, acknowledged);
  const auto count = [](const v1::RegisterImagesResponse& response, RegisterResult* result) {
    result->registered += response.registered();
    result->existing += response.existing();
  };
  return Upload<RegisterResult>(&images, count);
}

absl::StatusOr<IngestResult> Client::IngestLabels(const std::string& pool,
                                                  const Source<v1::NewLabels>& source,
                                                  const StreamOptions& stream,
                                                  const AcknowledgedCallback& acknowledged) {
  using Acked = AckedStream<v1::NewLabels, v1::IngestLabelsRequest, v1::IngestLabelsResponse>;
  Acked::Call call;
  call.open = [this](grpc::ClientContext* context) { return stubs_->label.IngestLabels(context); };
  call.first.set_parent(pool);
  call.add = &v1::IngestLabelsRequest::add_labels;
  Acked labels(options_, stream, std::move(call), source, acknowledged);
  const auto count = [](const v1::IngestLabelsResponse& response, IngestResult* result) {
    result->ingested += response.ingested();
    result->late += response.late();
  };
  return Upload<IngestResult>(&labels, count);
}

absl::StatusOr<PutResult> Client::PutPredictions(const std::string& pool, const std::string& model,
                                                 const Source<v1::NewPredictions>& source,
                                                 const StreamOptions& stream,
                                                 const AcknowledgedCallback& acknowledged) {
  using Acked =
      AckedStream<v1::NewPredictions, v1::PutPredictionsRequest, v1::PutPredictionsResponse>;
  Acked::Call call;
  call.open = [this](grpc::ClientContext* context) {
    return stubs_->prediction.PutPredictions(context);
  };
  call.first.set_parent(pool);
  call.first.set_model(model);
  call.add = &v1::PutPredictionsRequest::add_predictions;
  Acked predictions(options_, stream, std::move(call), source, acknowledged);
  const auto count = [](const v1::PutPredictionsResponse& response, PutResult* result) {
    result->stored += response.stored();
    result->images = response.images();
  };
  return Upload<PutResult>(&predictions, count);
}

absl::Status Client::ExportLabels(const v1::ExportLabelsRequest& request,
                                  const std::function<absl::Status(absl::string_view)>& sink) {
  return Download<v1::ExportLabelsResponse>(
      options_,
      [&](grpc::ClientContext* context) { return stubs_->label.ExportLabels(context, request); },
      [&](const v1::ExportLabelsResponse& response) { return sink(response.data()); });
}

absl::Status Client::ExportModel(
    const v1::ExportModelRequest& request,
    const std::function<absl::Status(const v1::ExportModelResponse&)>& sink) {
  int64_t expected = -1, received = 0;
  const absl::Status status = Download<v1::ExportModelResponse>(
      options_,
      [&](grpc::ClientContext* context) { return stubs_->model.ExportModel(context, request); },
      [&](const v1::ExportModelResponse& response) {
        if (expected < 0) expected = response.size_bytes();
        received += static_cast<int64_t>(response.data().size());
        return sink(response);
      });
  if (!status.ok() || received == expected) return status;
  return absl::DataLossError(
      absl::StrCat("the server sent ", received, " bytes of a file of ", expected));
}

absl::StatusOr<v1::ImportWeightsResponse> Client::ImportWeights(
    v1::ImportWeightsRequest header, const std::string& path,
    const std::function<void(int64_t)>& progress) {
  constexpr std::streamsize kPieceBytes = 1 << 20;
  if (header.request_id().empty()) {
    header.set_request_id(options_.new_request_id ? options_.new_request_id() : NewRequestId());
  }
  std::error_code no_size;  // a folder, a pipe
  const auto size = std::filesystem::file_size(path, no_size);
  std::ifstream file(path, std::ios::binary);
  if (no_size || !file) return absl::NotFoundError(absl::StrCat("cannot read ", path));
  header.set_size_bytes(static_cast<int64_t>(size));
  if (header.file_name().empty()) {
    header.set_file_name(std::filesystem::path(path).filename().string());
  }
  for (int attempt = 1;; ++attempt) {
    file.clear();
    file.seekg(0);
    grpc::ClientContext context;  // no deadline: a big file takes its time
    AddApiKey(options_, &context);
    v1::ImportWeightsResponse response;
    const auto writer = stubs_->model.ImportWeights(&context, &response);
    v1::ImportWeightsRequest piece;
    std::string* const data = piece.mutable_data();
    int64_t sent = 0;
    bool open = writer->Write(header);
    while (open && file) {
      data->resize(kPieceBytes);
      file.read(data->data(), kPieceBytes);
      data->resize(static_cast<size_t>(file.gcount()));
      open = data->empty() || writer->Write(piece);
      sent += static_cast<int64_t>(data->size());
      if (progress) progress(sent);
    }
    if (open) writer->WritesDone();
    const absl::Status status = FromGrpc(writer->Finish());
    if (status.ok()) return response;
    if (attempt >= options_.retry.max_attempts || !options_.retry.IsRetryable(status)) {
      return status;
    }
    options_.retry.Wait(options_.retry.Delay(status, attempt));
  }
}

absl::StatusOr<v1::Cycle> Client::WatchCycle(
    const std::string& name, const std::function<void(const v1::Cycle&)>& progress) {
  v1::WatchCycleRequest request;
  request.set_name(name);
  bool ever_answered = false;
  absl::Duration outage;
  for (int attempt = 1;; ++attempt) {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + kWatchStream));
    AddApiKey(options_, &context);
    auto reader = stubs_->cycle.WatchCycle(&context, request);
    v1::WatchCycleResponse response;
    while (reader->Read(&response)) {
      ever_answered = true;
      attempt = 0;  // the next break is the first of its outage
      outage = absl::ZeroDuration();
      if (progress) progress(response.cycle());
      if (!HasEnded(response.cycle())) continue;
      context.TryCancel();
      reader->Finish();
      return response.cycle();
    }
    absl::Status status = FromGrpc(reader->Finish());
    // A draining server ends its streams in one of these ways.
    const bool broken = status.ok() || options_.retry.IsRetryable(status) ||
                        absl::IsDeadlineExceeded(status) || absl::IsCancelled(status) ||
                        (absl::IsInternal(status) && Reason(status).empty());
    if (!broken) return status;
    if (status.ok()) status = absl::UnavailableError("the server ended the watch too early");
    const absl::Duration delay = options_.retry.Delay(status, std::max(attempt, 1));
    outage += delay;
    const bool give_up = ever_answered ? outage > options_.reconnect_patience
                                       : attempt >= options_.retry.max_attempts;
    if (give_up) return status;
    options_.retry.Wait(delay);
  }
}

}  // namespace mgral::client
