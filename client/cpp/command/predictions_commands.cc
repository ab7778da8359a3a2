// mgral predictions put
#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "client/cpp/command/commands.h"
#include "client/cpp/command/dataset_options.h"
#include "client/cpp/lib/dataset.h"
#include "client/cpp/lib/npy_file.h"

namespace mgral::client {
namespace {

struct PutOptions {
  std::string pool, model, coco, embeddings;
  std::vector<std::string> files;
};

// What is sent, and the images of --coco that are left out since the pool does not have them.
struct Outgoing {
  Source<v1::NewPredictions> source;
  int64_t images = 0;  // 0: not known
  int64_t left_out = 0;
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

// The images of a dataset that the pool has, one after the other, with their rows of the matrix.
class FoundImages {
 public:
  FoundImages(Dataset dataset, std::optional<NpyMatrix> embeddings)
      : dataset_(std::move(dataset)), embeddings_(std::move(embeddings)) {}

  std::optional<v1::NewPredictions> Next() {
    for (; next_ < dataset_.images.size(); ++next_) {
      const DatasetImage& image = dataset_.images[next_];
      if (image.image_id.empty()) continue;
      v1::NewPredictions predictions = ToNewPredictions(dataset_, image);
      for (int64_t i = 0; embeddings_ && i < embeddings_->columns(); ++i) {
        predictions.add_embedding(embeddings_->at(static_cast<int64_t>(next_), i));
      }
      ++next_;
      return predictions;
    }
    return std::nullopt;
  }

 private:
  const Dataset dataset_;
  const std::optional<NpyMatrix> embeddings_;
  size_t next_ = 0;
};

absl::StatusOr<std::optional<NpyMatrix>> ReadEmbeddings(const PutOptions& options, size_t images) {
  if (options.embeddings.empty()) return std::optional<NpyMatrix>();
  absl::StatusOr<NpyMatrix> embeddings = NpyMatrix::Read(options.embeddings);
  if (!embeddings.ok()) return UsageError(std::string(embeddings.status().message()));
  if (embeddings->rows() == static_cast<int64_t>(images)) return *std::move(embeddings);
  return UsageError(absl::StrCat(options.embeddings, ": has ", embeddings->rows(), " rows, and ",
                                 options.coco, " ", images,
                                 " images: one row per image, in the order of that file"));
}

// The results of COCO files, which are read whole before the pool's images are asked for.
absl::StatusOr<Outgoing> ReadResults(const PutOptions& options, Client& client, Session& session) {
  absl::StatusOr<Dataset> dataset = ReadCocoResults(options.coco, options.files);
  if (!dataset.ok()) return UsageError(std::string(dataset.status().message()));
  auto embeddings = ReadEmbeddings(options, dataset->images.size());
  if (!embeddings.ok()) return embeddings.status();
  const auto empty = std::count_if(dataset->images.begin(), dataset->images.end(),
                                   [](const DatasetImage& image) { return image.boxes.empty(); });
  if (empty > 0) {
    session.Note(absl::StrCat("note: ", empty, " of ", dataset->images.size(), " images of ",
                              options.coco, " have no result: nothing was found in them"));
  }
  if (dataset->dropped_boxes > 0) {
    session.Note(absl::StrCat("note: left out ", dataset->dropped_boxes,
                              " boxes without area inside their image"));
  }
  const auto pool = PoolImages(options.pool, client);
  if (!pool.ok()) return pool.status();
  MatchImages(*pool, &*dataset);
  const MatchCounts matched = CountMatches(*dataset);
  if (matched.by_name() + matched.ambiguous > 0) {
    session.Note(absl::StrCat("note: images of the file matched: ", Describe(matched)));
  }
  Outgoing outgoing;
  outgoing.left_out = matched.ambiguous + matched.unmatched;
  outgoing.images = static_cast<int64_t>(dataset->images.size()) - outgoing.left_out;
  if (outgoing.images == 0) {
    return UsageError(absl::StrCat("no image of ", options.coco, " is in ", PoolName(options.pool),
                                   ": images are found by file name"));
  }
  auto found = std::make_shared<FoundImages>(*std::move(dataset), *std::move(embeddings));
  outgoing.source = [found]() -> absl::StatusOr<std::optional<v1::NewPredictions>> {
    return found->Next();
  };
  return outgoing;
}

// Reports on what was put; an error when some of it was refused.
absl::Status ReportPut(const PutResult& result, int64_t left_out, const PutOptions& options,
                       Session& session) {
  if (session.json) {
    Json refused = Json::array();
    for (const v1::RefusedPredictions& one : result.refused) refused.push_back(ToJson(one));
    session.PrintJson({{"stored", result.stored},
                       {"images", result.images},
                       {"left_out", left_out},
                       {"reconnects", result.reconnects},
                       {"refused", std::move(refused)}});
  } else {
    session.out() << "stored the predictions of " << result.stored << " images; " << result.images
                  << " images have predictions of " << options.model << "\n";
    if (left_out > 0) {
      session.out() << "left out " << left_out << " images that the pool does not have\n";
    }
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
  absl::StatusOr<Outgoing> outgoing;
  if (options.coco.empty()) {
    const auto lines = std::make_shared<PredictionLines>(options.files);
    outgoing = Outgoing{[lines] { return lines->Next(); }};
  } else {
    outgoing = ReadResults(options, **client, session);
  }
  if (!outgoing.ok()) return outgoing.status();
  const auto bar = session.Progress("predictions", outgoing->images, "images");
  absl::StatusOr<PutResult> result =
      (*client)->PutPredictions(PoolName(options.pool), options.model, outgoing->source, {},
                                [&bar](int64_t done) { bar->Set(done); });
  bar->Finish();
  if (!result.ok()) return result.status();
  return ReportPut(*result, outgoing->left_out, options, session);
}

}  // namespace

void AddPredictionsCommands(CLI::App& app, Session& session) {
  auto* predictions = app.add_subcommand("predictions", "Hand in what a detector of your own says");
  predictions->require_subcommand(1);
  predictions->footer("Help: mgral predictions put --help");

  auto options = std::make_shared<PutOptions>();
  auto* put = predictions->add_subcommand("put", "Put predictions in a pool of profile external");
  put->footer(
      "Examples:\n"
      "  mgral predictions put cells found.jsonl --model yolo@3\n"
      "  mgral predictions put cells results.json --coco images.json --model yolo@3\n"
      "A line of found.jsonl is one image, as JSON (fields as of NewPredictions in the API "
      "reference):\n"
      "  {\"image_id\": \"a.jpg\", \"boxes\": [{\"class_name\": \"RBC\", \"x_min\": 4, \"y_min\": "
      "8,\n"
      "   \"width\": 20, \"height\": 24, \"score\": 0.9}], \"embedding\": [0.1, -2.5]}\n"
      "results.json is a list in COCO's format for results, images.json the COCO file that the\n"
      "detector was run on; in its images without a result, it found nothing:\n"
      "  [{\"image_id\": 7, \"category_id\": 1, \"bbox\": [4, 8, 20, 24], \"score\": 0.9}]\n"
      "Another --model than that of the last time replaces all predictions of the pool.");
  put->add_option("pool", options->pool, "The pool's name")->required();
  put->add_option("files", options->files, "JSON Lines; with --coco, COCO results")
      ->required()
      ->type_name("FILE");
  auto* coco = put->add_option("--coco", options->coco,
                               "The COCO file whose image and category ids the results have")
                   ->type_name("FILE");
  put->add_option("--embeddings", options->embeddings,
                  "A float array saved by numpy (.npy): a row for each image of the --coco file, "
                  "in its order")
      ->type_name("FILE")
      ->needs(coco);
  put->add_option("--model", options->model, "A name and version that you choose for the detector")
      ->required();
  put->callback([options, &session] { session.Finish(Put(*options, session)); });
}

}  // namespace mgral::client
