// mgral label, reject, export
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "client/cpp/command/commands.h"
#include "client/cpp/command/dataset_options.h"
#include "client/cpp/lib/dataset.h"

namespace mgral::client {
namespace {

struct LabelOptions {
  std::string pool, batch, use;  // use: empty leaves it
  DatasetOptions dataset;
  int64_t limit = 0;
  bool skip_empty = false;
};

struct RejectOptions {
  std::string pool, reason, batch;
  std::vector<std::string> images;
};

struct ExportOptions {
  std::string pool, format = "coco", out;
};

// Ids of the images whose labels may be handed in: of the batch, or of the whole pool.
absl::StatusOr<std::set<std::string>> Wanted(const LabelOptions& options, Client& client) {
  std::set<std::string> ids;
  if (!options.batch.empty()) {
    absl::StatusOr<v1::Batch> batch = client.GetBatch(options.batch);
    if (!batch.ok()) return batch.status();
    for (const v1::BatchImage& image : batch->images()) ids.insert(image.image_id());
    return ids;
  }
  v1::ListImagesRequest request;
  request.set_parent(PoolName(options.pool));
  request.set_page_size(1000);
  Pages<v1::Image> images = client.ListImages(request);
  for (;;) {
    absl::StatusOr<std::optional<v1::Image>> image = images.Next();
    if (!image.ok()) return image.status();
    if (!image->has_value()) return ids;
    ids.insert((*image)->image_id());
  }
}

// Reports on what was handed in; an error when some of it was refused.
absl::Status ReportLabels(const IngestResult& result, int64_t left_out, Session& session) {
  if (session.json) {
    Json refused = Json::array();
    for (const v1::RefusedLabels& labels : result.refused) refused.push_back(ToJson(labels));
    session.PrintJson({{"ingested", result.ingested},
                       {"late", result.late},
                       {"not_asked_for", left_out},
                       {"reconnects", result.reconnects},
                       {"refused", std::move(refused)}});
  } else {
    session.out() << "labels of " << result.ingested << " images handed in";
    if (result.late > 0) session.out() << ", " << result.late << " of them after their lease";
    if (left_out > 0) session.out() << "; " << left_out << " others of the file left out";
    session.out() << "\n";
    for (const v1::RefusedLabels& labels : result.refused) {
      session.out() << "  refused " << labels.image_id() << ": " << labels.field() << ": "
                    << labels.reason() << "\n";
    }
  }
  if (result.refused.empty()) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("the labels of ", result.refused.size(),
                   " images were refused; mend them and run the same command again"));
}

absl::Status Label(const LabelOptions& options, Session& session) {
  ReadOptions read;
  read.require_files = false;
  absl::StatusOr<Dataset> dataset = ReadChosenDataset(options.dataset, read, session);
  if (!dataset.ok()) return dataset.status();
  absl::StatusOr<Client*> client = session.client();
  if (!client.ok()) return client.status();
  absl::StatusOr<std::set<std::string>> wanted = Wanted(options, **client);
  if (!wanted.ok()) return wanted.status();

  std::vector<v1::NewLabels> labels;
  for (const DatasetImage& image : dataset->images) {
    if (wanted->count(image.image_id) == 0) continue;
    if (options.skip_empty && image.boxes.empty()) continue;
    if (options.limit > 0 && static_cast<int64_t>(labels.size()) == options.limit) break;
    labels.push_back(ToNewLabels(*dataset, image));
    labels.back().set_batch(options.batch);
    if (!options.use.empty()) {
      labels.back().set_use(options.use == "validation" ? v1::IMAGE_USE_VALIDATION
                                                        : v1::IMAGE_USE_TRAINING);
    }
  }
  if (labels.empty()) {
    return UsageError(absl::StrCat(
        "no image of the file is in ",
        options.batch.empty() ? PoolName(options.pool) : options.batch,
        ": labels go to registered images, by the file name that they were registered with"));
  }
  const int64_t total = static_cast<int64_t>(labels.size());
  const int64_t left_out = static_cast<int64_t>(dataset->images.size()) - total;
  const auto bar = session.Progress("labelling", total, "images");
  absl::StatusOr<IngestResult> result =
      (*client)->IngestLabels(PoolName(options.pool), FromVector(std::move(labels)), {},
                              [&bar](int64_t done) { bar->Set(done); });
  bar->Finish();
  if (!result.ok()) return result.status();
  return ReportLabels(*result, left_out, session);
}

absl::Status Reject(const RejectOptions& options, Session& session) {
  v1::BatchIngestLabelsRequest request;
  request.set_parent(PoolName(options.pool));
  for (const std::string& image : options.images) {
    v1::NewLabels* labels = request.add_labels();
    labels->set_image_id(image);
    labels->set_reject_reason(options.reason);
    labels->set_batch(options.batch);
  }
  absl::StatusOr<Client*> client = session.client();
  if (!client.ok()) return client.status();
  absl::StatusOr<v1::BatchIngestLabelsResponse> answer = (*client)->BatchIngestLabels(request);
  if (!answer.ok()) return answer.status();
  if (session.json) {
    session.PrintJson(ToJson(*answer));
  } else {
    session.out() << answer->ingested() << " images rejected\n";
  }
  return absl::OkStatus();
}

absl::Status Export(const ExportOptions& options, Session& session) {
  absl::StatusOr<Client*> client = session.client();
  if (!client.ok()) return client.status();
  const std::string temporary = options.out + ".tmp";
  std::ofstream file(temporary, std::ios::binary | std::ios::trunc);
  if (!file) {
    return UsageError(absl::StrCat(options.out, ": cannot be written: does its directory exist?"));
  }
  v1::ExportLabelsRequest request;
  request.set_parent(PoolName(options.pool));
  request.set_format(v1::EXPORT_FORMAT_COCO);
  int64_t bytes = 0;
  const auto bar = session.Progress("exporting", 0, "bytes");
  absl::Status status = (*client)->ExportLabels(request, [&](absl::string_view piece) {
    file.write(piece.data(), static_cast<std::streamsize>(piece.size()));
    bytes += static_cast<int64_t>(piece.size());
    bar->Set(bytes);
    return file ? absl::OkStatus()
                : absl::ResourceExhaustedError(absl::StrCat(temporary, ": the disk is full"));
  });
  bar->Finish();
  file.close();
  if (status.ok() && (!file || std::rename(temporary.c_str(), options.out.c_str()) != 0)) {
    status = absl::UnknownError(absl::StrCat(options.out, ": cannot be written"));
  }
  if (!status.ok()) {
    std::remove(temporary.c_str());
    return status;
  }
  if (session.json) {
    session.PrintJson({{"file", options.out}, {"bytes", bytes}});
  } else {
    session.out() << "wrote " << options.out << " (" << bytes << " bytes)\n";
  }
  return absl::OkStatus();
}

}  // namespace

void AddLabelCommands(CLI::App& app, Session& session) {
  auto* label = app.add_subcommand("label", "Hand in the labels of registered images");
  label->footer(
      "Examples:\n"
      "  mgral label cells --coco done.json --batch pools/cells/batches/7\n"
      "  mgral label cells --coco first.json --use validation   (to measure with, not to train "
      "on)\n"
      "An image of the file without boxes says that there is nothing in it (see --skip-empty).");
  auto options = std::make_shared<LabelOptions>();
  label->add_option("pool", options->pool, "The pool's name")->required();
  AddDatasetOptions(*label, &options->dataset);
  label->add_option("--batch", options->batch, "Only the images of this batch, under its lease");
  label
      ->add_option("--use", options->use,
                   "training or validation: what these images are for from now on (default: what "
                   "they were registered for)")
      ->check(CLI::IsMember({"training", "validation"}));
  label->add_option("--limit", options->limit, "Only the first so many images of the file")
      ->check(CLI::PositiveNumber);
  label->add_flag("--skip-empty", options->skip_empty, "Leave out images without boxes");
  label->callback([options, &session] { session.Finish(Label(*options, session)); });

  auto* reject = app.add_subcommand("reject", "Take images out of a pool that no one can label");
  reject->footer(
      "Example:\n  mgral reject cells a.jpg b.jpg --reason blurred\n"
      "They are not handed out again and not trained on. Labels for them bring them back.");
  auto rejected = std::make_shared<RejectOptions>();
  reject->add_option("pool", rejected->pool, "The pool's name")->required();
  reject->add_option("images", rejected->images, "Image ids, at most 1000")->required();
  reject->add_option("--reason", rejected->reason, "Why, for the record")->required();
  reject->add_option("--batch", rejected->batch, "The batch that they were handed out in");
  reject->callback([rejected, &session] { session.Finish(Reject(*rejected, session)); });

  auto* command = app.add_subcommand("export", "Write a pool's labels to a file");
  command->footer("Example:\n  mgral export cells --format coco --out labels.json");
  auto exported = std::make_shared<ExportOptions>();
  command->add_option("pool", exported->pool, "The pool's name")->required();
  command->add_option("--format", exported->format, "The file's format")
      ->check(CLI::IsMember({"coco"}))
      ->capture_default_str();
  command->add_option("--out", exported->out, "The file")->required()->type_name("FILE");
  command->callback([exported, &session] { session.Finish(Export(*exported, session)); });
}

}  // namespace mgral::client
