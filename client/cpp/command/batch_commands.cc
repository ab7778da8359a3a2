// mgral query, batches, renew, release, estimate
#include <algorithm>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "client/cpp/command/batch_coco.h"
#include "client/cpp/command/commands.h"
#include "client/cpp/command/text_table.h"
#include "server/domain/strategy.h"

namespace mgral::client {
namespace {

struct QueryOptions {
  std::string pool, lease = "1h", out, coco_out;
  double min_score = 0.3;
  v1::QueryBatchRequest request;
};

struct EstimateOptions {
  std::string pool, batch, file;
  std::vector<std::string> images;
};

// "cells" of "pools/cells/batches/7".
std::string PoolOf(const std::string& batch) {
  const std::vector<std::string> parts = absl::StrSplit(batch, '/');
  return parts.size() > 1 ? parts[1] : batch;
}

std::string EstimatedCostText(const v1::Batch& batch) {
  if (!batch.has_estimated_cost()) return "unknown";
  const v1::LabelingCost& cost = batch.estimated_cost();
  return absl::StrFormat(
      "about %.0f %s", cost.amount(),
      cost.unit() == v1::COST_UNIT_SECONDS ? "s" : "boxes, where an image counts as much as two");
}

void PrintBatch(const v1::Batch& batch, std::ostream& out) {
  TextTable table({"RANK", "IMAGE", "BOXES", "WHY"});
  for (const v1::BatchImage& image : batch.images()) {
    table.Add({absl::StrCat(image.rank() + 1), image.image_id(),
               absl::StrCat(image.predictions_size()),
               image.reason().empty() ? "-" : image.reason()});
  }
  table.Print(out);
  out << "\n"
      << batch.name() << "\n  images         " << batch.images_size() << "\n  strategy       "
      << batch.strategy();
  if (!batch.strategy_note().empty()) out << "  (" << batch.strategy_note() << ")";
  out << "\n  expected gain  " << FormatGain(batch.has_estimated_gain(), batch.estimated_gain())
      << " mAP\n  labeling cost  " << EstimatedCostText(batch) << "\n  lease until    "
      << FormatTimestamp(batch.expire_time()) << "\n"
      << "Submit the labels: mgral label " << PoolOf(batch.name()) << " --coco FILE --batch "
      << batch.name() << "\n";
}

absl::Status WriteBatch(const QueryOptions& options, const v1::Batch& batch, Client& client) {
  if (!options.out.empty()) {
    const absl::Status status = WriteFile(options.out, ToJson(batch).dump(2) + "\n");
    if (!status.ok()) return status;
  }
  if (options.coco_out.empty()) return absl::OkStatus();
  const absl::StatusOr<Json> document = BatchAsCoco(batch, options.min_score, client);
  if (!document.ok()) return document.status();
  return WriteFile(options.coco_out, document->dump(2) + "\n");
}

absl::Status Query(QueryOptions* options, Session& session) {
  absl::StatusOr<absl::Duration> lease = ParseDurationOption(options->lease, "--lease");
  if (!lease.ok()) return lease.status();
  options->request.set_parent(PoolName(options->pool));
  options->request.mutable_lease_duration()->set_seconds(absl::ToInt64Seconds(*lease));
  absl::StatusOr<Client*> client = session.client();
  if (!client.ok()) return client.status();
  absl::StatusOr<v1::Batch> batch = (*client)->QueryBatch(options->request);
  if (!batch.ok()) return batch.status();
  if (session.json) {
    session.PrintJson(ToJson(*batch));
  } else {
    PrintBatch(*batch, session.out());
  }
  const absl::Status status = WriteBatch(*options, *batch, **client);
  if (status.ok()) return status;
  // The lease is taken: without its name the user could not release it.
  return UsageError(absl::StrCat(
      status.message(), "\nThe batch is leased nevertheless: ", "mgral release ", batch->name()));
}

std::string BatchStateName(v1::BatchState state) {
  return absl::AsciiStrToLower(v1::BatchState_Name(state).substr(sizeof("BATCH_STATE_") - 1));
}

absl::Status ReportLease(const absl::StatusOr<v1::Batch>& batch, Session& session) {
  if (!batch.ok()) return batch.status();
  if (session.json) {
    session.PrintJson(ToJson(*batch));
  } else if (batch->state() == v1::BATCH_STATE_LEASED) {
    session.out() << batch->name() << " is leased until " << FormatTimestamp(batch->expire_time())
                  << "\n";
  } else {
    session.out() << batch->name() << ": " << BatchStateName(batch->state()) << "\n";
  }
  return absl::OkStatus();
}

absl::Status Renew(const std::string& batch, const std::string& lease_text, Session& session) {
  absl::StatusOr<absl::Duration> lease = ParseDurationOption(lease_text, "--lease");
  if (!lease.ok()) return lease.status();
  absl::StatusOr<Client*> client = session.client();
  if (!client.ok()) return client.status();
  return ReportLease((*client)->RenewBatch(batch, *lease), session);
}

absl::Status Release(const std::string& batch, Session& session) {
  absl::StatusOr<Client*> client = session.client();
  if (!client.ok()) return client.status();
  return ReportLease((*client)->ReleaseBatch(batch), session);
}

absl::Status ListBatches(const std::string& pool, Session& session) {
  absl::StatusOr<Client*> client = session.client();
  if (!client.ok()) return client.status();
  v1::ListBatchesRequest request;
  request.set_parent(PoolName(pool));
  absl::StatusOr<std::vector<v1::Batch>> batches = (*client)->ListBatches(request).All();
  if (!batches.ok()) return batches.status();
  if (session.json) {
    Json document = {{"batches", Json::array()}};
    for (const v1::Batch& batch : *batches) document["batches"].push_back(ToJson(batch));
    session.PrintJson(document);
    return absl::OkStatus();
  }
  TextTable table({"BATCH", "STATE", "LABELED", "STRATEGY", "ANNOTATOR", "LEASE UNTIL"});
  for (const v1::Batch& batch : *batches) {
    const auto labeled = std::count_if(
        batch.images().begin(), batch.images().end(),
        [](const v1::BatchImage& image) { return image.state() == v1::IMAGE_STATE_LABELED; });
    table.Add({batch.name(), BatchStateName(batch.state()),
               absl::StrCat(labeled, " of ", batch.images_size()), batch.strategy(),
               batch.annotator().empty() ? "-" : batch.annotator(),
               FormatTimestamp(batch.expire_time())});
  }
  table.Print(session.out());
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::string>> ImageIds(const EstimateOptions& options, Client& client) {
  if (!options.images.empty()) return options.images;
  std::vector<std::string> ids;
  if (!options.batch.empty()) {
    absl::StatusOr<v1::Batch> batch = client.GetBatch(options.batch);
    if (!batch.ok()) return batch.status();
    for (const v1::BatchImage& image : batch->images()) ids.push_back(image.image_id());
    return ids;
  }
  if (options.file.empty()) return UsageError("which images? Give --images, --file, or --batch");
  std::ifstream file(options.file);
  if (!file) return UsageError(absl::StrCat(options.file, ": cannot be read"));
  for (std::string line; std::getline(file, line);) {
    const std::string id(absl::StripAsciiWhitespace(line));
    if (!id.empty()) ids.push_back(id);
  }
  return ids;
}

absl::Status Estimate(const EstimateOptions& options, Session& session) {
  absl::StatusOr<Client*> client = session.client();
  if (!client.ok()) return client.status();
  absl::StatusOr<std::vector<std::string>> ids = ImageIds(options, **client);
  if (!ids.ok()) return ids.status();
  v1::EstimateGainRequest request;
  request.set_parent(PoolName(options.pool));
  for (const std::string& id : *ids) request.add_image_ids(id);
  absl::StatusOr<v1::EstimateGainResponse> estimate = (*client)->EstimateGain(request);
  if (!estimate.ok()) return estimate.status();
  if (session.json) {
    session.PrintJson(ToJson(*estimate));
    return absl::OkStatus();
  }
  TextTable table({"CLASS", "EXPECTED GAIN OF AP", "STANDARD ERROR"});
  for (const v1::ClassGain& gain : estimate->gain().classes()) {
    table.Add({gain.class_name(), absl::StrFormat("%+.4f", gain.mean()),
               absl::StrFormat("%.4f", gain.standard_error())});
  }
  table.Print(session.out());
  session.out() << "\nLabeling these " << ids->size() << " images is worth "
                << FormatGain(true, estimate->gain()) << " mAP (table " << estimate->table_version()
                << " of " << estimate->model() << ")\n";
  return absl::OkStatus();
}

void AddQuery(CLI::App& app, Session& session) {
  auto* query = app.add_subcommand("query", "Lease the images to label next");
  query->footer(
      "Example:\n"
      "  mgral query cells --size 20 --lease 2h --annotator anna --coco-out to_label.json\n"
      "Nobody else is given these images until the lease expires. Both files include the "
      "detector's\n"
      "boxes: correct them before you submit them as labels.");
  auto options = std::make_shared<QueryOptions>();
  v1::QueryBatchRequest* request = &options->request;
  query->add_option("pool", options->pool, "The pool's name")->required();
  query
      ->add_option_function<int32_t>(
          "--size,-n", [options, request](int32_t v) { request->set_size(v); }, "Number of images")
      ->required();
  query->add_option_function<std::string>(
      "--strategy", [options, request](const std::string& v) { request->set_strategy(v); },
      absl::StrCat("One of ", domain::SelectableStrategies(), " (default: the pool's)"));
  query->add_option("--lease", options->lease, "Lease duration: 90s, 45m, 2h")
      ->capture_default_str();
  query->add_option_function<std::string>(
      "--annotator", [options, request](const std::string& v) { request->set_annotator(v); },
      "Who will label, for the record");
  query->add_option_function<std::string>(
      "--request-id", [options, request](const std::string& v) { request->set_request_id(v); },
      "Repeating a call with the same id returns the same batch");
  query->add_flag_callback(
      "--allow-fewer", [options, request] { request->set_allow_fewer(true); },
      "Accept a smaller batch if the pool has fewer images left");
  query->add_option("--out", options->out, "Write the batch as JSON to this file")
      ->type_name("FILE");
  query
      ->add_option("--coco-out", options->coco_out,
                   "Write the images as a COCO file for an annotation tool, with the detector's "
                   "boxes as a starting point")
      ->type_name("FILE");
  query
      ->add_option("--min-score", options->min_score, "Omit boxes below this score from --coco-out")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  query->callback([options, &session] { session.Finish(Query(options.get(), session)); });
}

void AddEstimate(CLI::App& app, Session& session) {
  auto* estimate = app.add_subcommand("estimate", "Estimate the gain of labeling given images");
  estimate->footer("Example:\n  mgral estimate cells --images a.jpg,b.jpg");
  auto options = std::make_shared<EstimateOptions>();
  estimate->add_option("pool", options->pool, "The pool's name")->required();
  auto* images = estimate->add_option("--images", options->images, "Image ids, separated by commas")
                     ->delimiter(',')
                     ->allow_extra_args(false);
  auto* file = estimate->add_option("--file", options->file, "A file with one image id per line");
  auto* batch = estimate->add_option("--batch", options->batch, "The images of this batch");
  images->excludes(file)->excludes(batch);
  file->excludes(batch);
  estimate->callback([options, &session] { session.Finish(Estimate(*options, session)); });
}

}  // namespace

void AddBatchCommands(CLI::App& app, Session& session) {
  AddQuery(app, session);
  auto batch = std::make_shared<std::string>();
  auto lease = std::make_shared<std::string>("1h");

  auto* list = app.add_subcommand("batches", "List a pool's batches, newest first");
  list->footer("Example:\n  mgral batches cells");
  list->add_option("pool", *batch, "The pool's name")->required();
  list->callback([batch, &session] { session.Finish(ListBatches(*batch, session)); });

  auto* renew = app.add_subcommand("renew", "Extend a batch's lease");
  renew->footer("Example:\n  mgral renew pools/cells/batches/7 --lease 2h");
  renew->add_option("batch", *batch, "pools/POOL/batches/BATCH, as query prints it")->required();
  renew->add_option("--lease", *lease, "Lease duration from now: 90s, 45m, 2h")
      ->capture_default_str();
  renew->callback([batch, lease, &session] { session.Finish(Renew(*batch, *lease, session)); });

  auto* release = app.add_subcommand("release", "Release a batch");
  release->footer("Example:\n  mgral release pools/cells/batches/7");
  release->add_option("batch", *batch, "pools/POOL/batches/BATCH, as query prints it")->required();
  release->callback([batch, &session] { session.Finish(Release(*batch, session)); });

  AddEstimate(app, session);
}

}  // namespace mgral::client
