// mgral label, reject, export
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <memory>
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
  bool skip_empty = false, empty_is_labeled = false;
};

struct RejectOptions {
  std::string pool, reason, batch;
  std::vector<std::string> images;
};

struct ExportOptions {
  std::string pool, format = "coco", out;
};

absl::StatusOr<std::vector<std::string>> BatchImages(const std::string& name, Client& client) {
  absl::StatusOr<v1::Batch> batch = client.GetBatch(name);
  if (!batch.ok()) return batch.status();
  std::vector<std::string> ids;
  for (const v1::BatchImage& image : batch->images()) ids.push_back(image.image_id());
  return ids;
}

bool IsMatchedByPartOfPath(const DatasetImage& image) {
  return image.matched_by == MatchedBy::kPathSuffix || image.matched_by == MatchedBy::kBaseName ||
         image.matched_by == MatchedBy::kUnprefixedBaseName;
}

// Finds the dataset's images in the batch, or in the pool where no batch is given.
absl::Status FindImages(const LabelOptions& options, Client& client, Dataset* dataset) {
  absl::StatusOr<std::vector<std::string>> batch = std::vector<std::string>();
  if (!options.batch.empty()) {
    batch = BatchImages(options.batch, client);
    if (!batch.ok()) return batch.status();
    MatchImages(*batch, dataset);
    if (std::none_of(dataset->images.begin(), dataset->images.end(), IsMatchedByPartOfPath)) {
      return absl::OkStatus();
    }
    // A base name that is unique in the batch may be that of another image of the pool.
  }
  const absl::StatusOr<std::vector<std::string>> pool = PoolImages(options.pool, client);
  if (!pool.ok()) return pool.status();
  MatchImages(*pool, dataset);
  if (options.batch.empty()) return absl::OkStatus();
  const std::set<std::string> wanted(batch->begin(), batch->end());
  for (DatasetImage& image : dataset->images) {
    if (wanted.count(image.image_id) > 0) continue;
    image.image_id.clear();
    image.matched_by = MatchedBy::kNothing;
  }
  return absl::OkStatus();
}

// The labels to send, in the file's order.
std::vector<v1::NewLabels> ChooseLabels(const LabelOptions& options, const Dataset& dataset) {
  std::vector<v1::NewLabels> labels;
  for (const DatasetImage& image : dataset.images) {
    if (image.image_id.empty() || (options.skip_empty && image.boxes.empty())) continue;
    if (options.limit > 0 && static_cast<int64_t>(labels.size()) == options.limit) break;
    labels.push_back(ToNewLabels(dataset, image));
    labels.back().set_batch(options.batch);
    if (!options.use.empty()) {
      labels.back().set_use(options.use == "validation" ? v1::IMAGE_USE_VALIDATION
                                                        : v1::IMAGE_USE_TRAINING);
    }
  }
  return labels;
}

// An image without boxes is a label: nothing is in it. A file that nobody has annotated yet looks
// the same, and would teach the detector to find nothing.
absl::Status CheckEmptyImages(const LabelOptions& options,
                              const std::vector<v1::NewLabels>& labels) {
  const auto empty = std::count_if(labels.begin(), labels.end(), [](const v1::NewLabels& image) {
    return image.boxes().empty();
  });
  if (options.empty_is_labeled || 2 * empty <= static_cast<int64_t>(labels.size())) {
    return absl::OkStatus();
  }
  return UsageError(absl::StrCat(
      empty, " of ", labels.size(),
      " images have no annotation: is the file complete? "
      "--empty-is-labeled labels them as images with nothing in them, --skip-empty leaves them "
      "out"));
}

// Reports on what was handed in; an error when some of it was refused.
absl::Status ReportLabels(const IngestResult& result, const MatchCounts& matched, int64_t left_out,
                          Session& session) {
  if (session.json) {
    Json refused = Json::array();
    for (const v1::RefusedLabels& labels : result.refused) refused.push_back(ToJson(labels));
    session.PrintJson({{"ingested", result.ingested},
                       {"late", result.late},
                       {"not_asked_for", left_out},
                       {"matched",
                        {{"image_id", matched.image_id},
                         {"path", matched.path},
                         {"base_name", matched.base_name},
                         {"unprefixed_base_name", matched.unprefixed_base_name},
                         {"ambiguous", matched.ambiguous}}},
                       {"reconnects", result.reconnects},
                       {"refused", std::move(refused)}});
  } else {
    session.out() << "submitted the labels of " << result.ingested << " images";
    if (result.late > 0) session.out() << ", " << result.late << " after their lease expired";
    if (left_out > 0) session.out() << "; skipped " << left_out << " other images of the file";
    session.out() << "\n";
    for (const v1::RefusedLabels& labels : result.refused) {
      session.out() << "  refused " << labels.image_id() << ": " << labels.field() << ": "
                    << labels.reason() << "\n";
    }
  }
  if (result.refused.empty()) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("the labels of ", result.refused.size(),
                   " images were refused; correct them and run the same command again"));
}

absl::Status Label(const LabelOptions& options, Session& session) {
  ReadOptions read;
  read.require_files = false;
  read.any_file_name = true;
  absl::StatusOr<Dataset> dataset = ReadChosenDataset(options.dataset, read, session);
  if (!dataset.ok()) return dataset.status();
  absl::StatusOr<Client*> client = session.client();
  if (!client.ok()) return client.status();
  const absl::Status found = FindImages(options, **client, &*dataset);
  if (!found.ok()) return found;
  const MatchCounts matched = CountMatches(*dataset);
  if (matched.by_name() + matched.ambiguous > 0) {
    session.Note(absl::StrCat("note: images of the file matched: ", Describe(matched)));
  }
  std::vector<v1::NewLabels> labels = ChooseLabels(options, *dataset);
  if (labels.empty()) {
    return UsageError(absl::StrCat("no image of the file is in ",
                                   options.batch.empty() ? PoolName(options.pool) : options.batch,
                                   ": labels are assigned to registered images by file name"));
  }
  if (absl::Status status = CheckEmptyImages(options, labels); !status.ok()) return status;
  const int64_t total = static_cast<int64_t>(labels.size());
  const int64_t left_out = static_cast<int64_t>(dataset->images.size()) - total;
  const auto bar = session.Progress("labeling", total, "images");
  absl::StatusOr<IngestResult> result =
      (*client)->IngestLabels(PoolName(options.pool), FromVector(std::move(labels)), {},
                              [&bar](int64_t done) { bar->Set(done); });
  bar->Finish();
  if (!result.ok()) return result.status();
  return ReportLabels(*result, matched, left_out, session);
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
    return UsageError(
        absl::StrCat(options.out, " cannot be written: check that its folder exists"));
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
    status = absl::UnknownError(absl::StrCat(options.out, " cannot be written"));
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
  auto* label = app.add_subcommand("label", "Submit labels for registered images");
  label->footer(
      "Examples:\n"
      "  mgral label cells --coco done.json --batch pools/cells/batches/7\n"
      "  mgral label cells --coco first.json --use validation   (to measure with, not to train "
      "on)\n"
      "An image without boxes counts as labeled: there is nothing in it. A file in which most\n"
      "images have no boxes is refused unless --empty-is-labeled or --skip-empty is given.");
  auto options = std::make_shared<LabelOptions>();
  label->add_option("pool", options->pool, "The pool's name")->required();
  AddDatasetOptions(*label, &options->dataset);
  label->add_option("--batch", options->batch, "Only the images of this batch, under its lease");
  label
      ->add_option("--use", options->use,
                   "From now on, use these images for training or validation (default: unchanged)")
      ->check(CLI::IsMember({"training", "validation"}));
  label->add_option("--limit", options->limit, "At most this many images, in the order of the file")
      ->check(CLI::PositiveNumber);
  auto* skip = label->add_flag("--skip-empty", options->skip_empty, "Skip images without boxes");
  label
      ->add_flag("--empty-is-labeled,--empty-is-labelled", options->empty_is_labeled,
                 "Accept a file in which most images have no boxes")
      ->excludes(skip);
  label->callback([options, &session] { session.Finish(Label(*options, session)); });

  auto* reject = app.add_subcommand("reject", "Exclude images that cannot be labeled");
  reject->footer(
      "Example:\n  mgral reject cells a.jpg b.jpg --reason blurred\n"
      "Rejected images are neither handed out nor trained on. Submitting labels restores them.");
  auto rejected = std::make_shared<RejectOptions>();
  reject->add_option("pool", rejected->pool, "The pool's name")->required();
  reject->add_option("images", rejected->images, "Image ids, at most 1000")->required();
  reject->add_option("--reason", rejected->reason, "Why, for the record")->required();
  reject->add_option("--batch", rejected->batch, "The batch that contains them");
  reject->callback([rejected, &session] { session.Finish(Reject(*rejected, session)); });

  auto* command = app.add_subcommand("export", "Write a pool's labels to a file");
  command->footer("Example:\n  mgral export cells --format coco --out labels.json");
  auto exported = std::make_shared<ExportOptions>();
  command->add_option("pool", exported->pool, "The pool's name")->required();
  command->add_option("--format", exported->format, "File format")
      ->check(CLI::IsMember({"coco"}))
      ->capture_default_str();
  command->add_option("--out", exported->out, "Output file")->required()->type_name("FILE");
  command->callback([exported, &session] { session.Finish(Export(*exported, session)); });
}

}  // namespace mgral::client
