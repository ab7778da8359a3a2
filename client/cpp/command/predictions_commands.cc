// mgral predictions put
#include <google/protobuf/util/json_util.h>

#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "client/cpp/command/commands.h"

namespace mgral::client {
namespace {

struct PutOptions {
  std::string pool, model;
  std::vector<std::string> files;
};

// The lines of the files, one after the other: a NewPredictions each, in protobuf's JSON.
class PredictionLines {
 public:
  explicit PredictionLines(std::vector<std::string> files) : files_(std::move(files)) {}

  absl::StatusOr<std::optional<v1::NewPredictions>> Next() {
    std::string line;
    while (true) {
      if (!input_.is_open()) {
        if (file_ == files_.size()) return std::optional<v1::NewPredictions>();
        input_.open(files_[file_]);
        if (!input_) return UsageError(absl::StrCat(files_[file_], ": cannot be read"));
        number_ = 0;
      }
      if (!std::getline(input_, line)) {
        input_ = {};
        ++file_;
        continue;
      }
      ++number_;
      if (!absl::StripAsciiWhitespace(line).empty()) return Parse(line);
    }
  }

 private:
  absl::StatusOr<std::optional<v1::NewPredictions>> Parse(const std::string& line) const {
    v1::NewPredictions predictions;
    const auto parsed = google::protobuf::util::JsonStringToMessage(line, &predictions);
    if (parsed.ok()) return std::optional<v1::NewPredictions>(std::move(predictions));
    return UsageError(absl::StrCat(files_[file_], ", line ", number_, ": ",
                                   std::string(parsed.message().data(), parsed.message().size())));
  }

  const std::vector<std::string> files_;
  size_t file_ = 0;
  std::ifstream input_;
  int64_t number_ = 0;
};

// Reports on what was put; an error when some of it was refused.
absl::Status ReportPut(const PutResult& result, const PutOptions& options, Session& session) {
  if (session.json) {
    Json refused = Json::array();
    for (const v1::RefusedPredictions& one : result.refused) refused.push_back(ToJson(one));
    session.PrintJson({{"stored", result.stored},
                       {"images", result.images},
                       {"reconnects", result.reconnects},
                       {"refused", std::move(refused)}});
  } else {
    session.out() << "stored the predictions of " << result.stored << " images; " << result.images
                  << " images have predictions of " << options.model << "\n";
    for (const v1::RefusedPredictions& one : result.refused) {
      session.out() << "  refused " << one.image_id() << ": " << one.field() << ": " << one.reason()
                    << "\n";
    }
    session.out() << "Rank the images by them: mgral cycle start " << options.pool << " --watch\n";
  }
  if (result.refused.empty()) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("the predictions of ", result.refused.size(),
                   " images were refused; correct them and run the same command again"));
}

absl::Status Put(const PutOptions& options, Session& session) {
  absl::StatusOr<Client*> client = session.client();
  if (!client.ok()) return client.status();
  PredictionLines lines(options.files);
  const auto bar = session.Progress("predictions", 0, "images");
  absl::StatusOr<PutResult> result = (*client)->PutPredictions(
      PoolName(options.pool), options.model, [&lines] { return lines.Next(); }, {},
      [&bar](int64_t done) { bar->Set(done); });
  bar->Finish();
  if (!result.ok()) return result.status();
  return ReportPut(*result, options, session);
}

}  // namespace

void AddPredictionsCommands(CLI::App& app, Session& session) {
  auto* predictions = app.add_subcommand("predictions", "Hand in what a detector of your own says");
  predictions->require_subcommand(1);
  predictions->footer("Help: mgral predictions put --help");

  auto options = std::make_shared<PutOptions>();
  auto* put = predictions->add_subcommand("put", "Put predictions in a pool of profile external");
  put->footer(
      "Example:\n"
      "  mgral predictions put cells found.jsonl --model yolo@3\n"
      "A line of a file is one image, as JSON (fields as of NewPredictions in the API reference):\n"
      "  {\"image_id\": \"a.jpg\", \"boxes\": [{\"class_name\": \"RBC\", \"x_min\": 4, \"y_min\": "
      "8,\n"
      "   \"width\": 20, \"height\": 24, \"score\": 0.9}], \"embedding\": [0.1, -2.5]}\n"
      "Another --model than that of the last time replaces all predictions of the pool.");
  put->add_option("pool", options->pool, "The pool's name")->required();
  put->add_option("files", options->files, "JSON Lines")->required()->type_name("FILE");
  put->add_option("--model", options->model, "A name and version that you choose for the detector")
      ->required();
  put->callback([options, &session] { session.Finish(Put(*options, session)); });
}

}  // namespace mgral::client
