// The calls of FakeServices that stream.
#include <algorithm>
#include <limits>

#include "tests/unit/client/fake_server.h"

namespace mgral::client {

Break FakeServices::NextBreak() {
  std::lock_guard<std::mutex> lock(mutex);
  Break next;
  next.commits = std::numeric_limits<int>::max();
  if (!breaks.empty()) {
    next = breaks.front();
    breaks.erase(breaks.begin());
  }
  stream_images.push_back(0);
  return next;
}

grpc::Status FakeServices::RegisterImages(
    grpc::ServerContext*,
    grpc::ServerReaderWriter<v1::RegisterImagesResponse, v1::RegisterImagesRequest>* stream) {
  const Break broken = NextBreak();
  v1::RegisterImagesRequest request;
  int64_t position = 0;
  for (int commits = 0; stream->Read(&request); ++commits) {
    std::unique_lock<std::mutex> lock(mutex);
    if (commits == 0) parent = request.parent();
    if (stall) continue;
    const bool last = commits >= broken.commits;
    if (last && !broken.unacknowledged) return broken.status;
    largest_chunk = std::max(largest_chunk, request.images_size());
    stream_images.back() += request.images_size();
    v1::RegisterImagesResponse response;
    for (const v1::NewImage& image : request.images()) {
      if (image.image_id().find("refuse") != std::string::npos) {
        v1::RefusedImage* refused = response.add_refused();
        refused->set_index(position);
        refused->set_image_id(image.image_id());
        refused->set_field("source");
        refused->set_reason("cannot be decoded");
      } else if (images.emplace(image.image_id(), image).second) {
        response.set_registered(response.registered() + 1);
      } else {
        response.set_existing(response.existing() + 1);
        ++duplicates;
      }
      ++position;
    }
    if (last) return broken.status;
    response.set_acknowledged(position);
    lock.unlock();
    stream->Write(response);
  }
  return grpc::Status::OK;
}

grpc::Status FakeServices::PutPredictions(
    grpc::ServerContext*,
    grpc::ServerReaderWriter<v1::PutPredictionsResponse, v1::PutPredictionsRequest>* stream) {
  const Break broken = NextBreak();
  v1::PutPredictionsRequest request;
  int64_t position = 0;
  for (int commits = 0; stream->Read(&request); ++commits) {
    std::unique_lock<std::mutex> lock(mutex);
    if (commits == 0) {
      parent = request.parent();
      external_model = request.model();
    }
    if (commits >= broken.commits) return broken.status;
    v1::PutPredictionsResponse response;
    for (const v1::NewPredictions& one : request.predictions()) {
      if (one.image_id().find("refuse") != std::string::npos) {
        v1::RefusedPredictions* refused = response.add_refused();
        refused->set_index(position);
        refused->set_image_id(one.image_id());
        refused->set_field("boxes[0].score");
        refused->set_reason("is 2");
      } else {
        predictions.push_back(one);
        response.set_stored(response.stored() + 1);
      }
      ++position;
    }
    response.set_images(static_cast<int64_t>(predictions.size()));
    response.set_acknowledged(position);
    lock.unlock();
    stream->Write(response);
  }
  return grpc::Status::OK;
}

grpc::Status FakeServices::IngestLabels(
    grpc::ServerContext*,
    grpc::ServerReaderWriter<v1::IngestLabelsResponse, v1::IngestLabelsRequest>* stream) {
  const Break broken = NextBreak();
  v1::IngestLabelsRequest request;
  int64_t position = 0;
  for (int commits = 0; stream->Read(&request); ++commits) {
    std::unique_lock<std::mutex> lock(mutex);
    if (commits == 0) parent = request.parent();
    if (commits >= broken.commits) return broken.status;
    v1::IngestLabelsResponse response;
    for (const v1::NewLabels& labels : request.labels()) {
      if (labels.image_id().find("refuse") != std::string::npos) {
        v1::RefusedLabels* refused = response.add_refused();
        refused->set_index(position);
        refused->set_image_id(labels.image_id());
      } else {
        labeled.push_back(labels.image_id());
        last_labels = labels;
        response.set_ingested(response.ingested() + 1);
      }
      ++position;
    }
    response.set_acknowledged(position);
    lock.unlock();
    stream->Write(response);
  }
  return grpc::Status::OK;
}

grpc::Status FakeServices::ExportLabels(grpc::ServerContext*, const v1::ExportLabelsRequest*,
                                        grpc::ServerWriter<v1::ExportLabelsResponse>* writer) {
  const grpc::Status status = Enter("ExportLabels");
  if (!status.ok() && status.error_code() == grpc::UNAVAILABLE) return status;
  for (const char* piece : {"{\"images\"", ": []}"}) {
    v1::ExportLabelsResponse response;
    response.set_data(piece);
    writer->Write(response);
  }
  return status;
}

grpc::Status FakeServices::ImportWeights(grpc::ServerContext*,
                                         grpc::ServerReader<v1::ImportWeightsRequest>* reader,
                                         v1::ImportWeightsResponse* response) {
  const Break broken = NextBreak();
  v1::ImportWeightsRequest message, came;
  grpc::Status end = grpc::Status::OK;
  for (int messages = 0; end.ok() && reader->Read(&message); ++messages) {
    if (messages == broken.commits) {
      end = broken.status;
    } else if (messages == 0) {
      came = message;
    } else {
      came.mutable_data()->append(message.data());
    }
  }
  std::lock_guard<std::mutex> lock(mutex);
  imports.push_back(came);
  response->mutable_model()->set_name(came.parent() + "/models/1");
  return end;
}

grpc::Status FakeServices::ExportModel(grpc::ServerContext*, const v1::ExportModelRequest* request,
                                       grpc::ServerWriter<v1::ExportModelResponse>* writer) {
  const grpc::Status status = Enter("ExportModel");
  if (!status.ok() && status.error_code() == grpc::UNAVAILABLE) return status;
  v1::ExportModelResponse response;
  response.set_model(request->model());
  response.set_description("{}\n");
  response.set_size_bytes(7);
  writer->Write(response);
  for (const char* piece : {"wei", "ghts"}) {
    response.Clear();
    response.set_data(piece);
    writer->Write(response);
    if (request->model() == "pools/short") break;
  }
  return status;
}

grpc::Status FakeServices::WatchCycle(grpc::ServerContext*, const v1::WatchCycleRequest*,
                                      grpc::ServerWriter<v1::WatchCycleResponse>* writer) {
  Enter("WatchCycle");
  std::vector<v1::Cycle> cycles;
  grpc::Status end;
  {
    std::lock_guard<std::mutex> lock(mutex);
    if (watches.empty()) return grpc::Status(grpc::UNAVAILABLE, "nothing to watch");
    cycles = watches.front();
    watches.erase(watches.begin());
    if (!watch_ends.empty()) {
      end = watch_ends.front();
      watch_ends.erase(watch_ends.begin());
    }
  }
  for (const v1::Cycle& cycle : cycles) {
    v1::WatchCycleResponse response;
    *response.mutable_cycle() = cycle;
    writer->Write(response);
  }
  return end;
}

}  // namespace mgral::client
