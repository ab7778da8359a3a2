// mgral register
#include <memory>
#include <optional>
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

struct Options {
  std::string pool;
  DatasetOptions dataset;
  std::string use = "training";
  std::string verification = "decode";
  std::optional<std::string> server_path;
};

using Planned = std::vector<std::pair<int, v1::ImageUse>>;  // position in Dataset::images, use

// Which images are registered for what. The test split stays out: it is nobody's to train on.
Planned Plan(const Dataset& dataset, v1::ImageUse use) {
  Planned plan;
  if (dataset.splits.has_value()) {
    for (int image : dataset.splits->train) plan.emplace_back(image, v1::IMAGE_USE_TRAINING);
    for (int image : dataset.splits->validation) plan.emplace_back(image, v1::IMAGE_USE_VALIDATION);
    return plan;
  }
  for (size_t i = 0; i < dataset.images.size(); ++i) plan.emplace_back(static_cast<int>(i), use);
  return plan;
}

Source<v1::NewImage> Images(const Dataset& dataset, const Planned& plan,
                            const std::optional<std::string>& server_path) {
  auto position = std::make_shared<size_t>(0);
  return [&dataset, &plan, server_path, position]() -> absl::StatusOr<std::optional<v1::NewImage>> {
    if (*position == plan.size()) return std::optional<v1::NewImage>();
    const auto& [image, use] = plan[(*position)++];
    absl::StatusOr<v1::NewImage> made = ToNewImage(dataset.images[image], use, server_path);
    if (!made.ok()) return made.status();
    return std::optional<v1::NewImage>(*std::move(made));
  };
}

void Report(const RegisterResult& result, Session& session) {
  if (session.json) {
    Json refused = Json::array();
    for (const v1::RefusedImage& image : result.refused) refused.push_back(ToJson(image));
    session.PrintJson({{"registered", result.registered},
                       {"existing", result.existing},
                       {"reconnects", result.reconnects},
                       {"refused", std::move(refused)}});
    return;
  }
  session.out() << result.registered << " images registered, " << result.existing
                << " were there already, " << result.refused.size() << " refused\n";
  for (const v1::RefusedImage& image : result.refused) {
    session.out() << "  " << image.image_id() << ": " << image.field() << ": " << image.reason()
                  << "\n";
  }
}

absl::Status Register(const Options& options, Session& session) {
  ReadOptions read;
  // With --server-path the server has the files; this machine need not.
  read.require_files = !options.server_path.has_value();
  absl::StatusOr<Dataset> dataset = ReadChosenDataset(options.dataset, read, session);
  if (!dataset.ok()) return dataset.status();
  absl::StatusOr<Client*> client = session.client();
  if (!client.ok()) return client.status();

  const Planned plan = Plan(
      *dataset, options.use == "validation" ? v1::IMAGE_USE_VALIDATION : v1::IMAGE_USE_TRAINING);
  if (plan.empty()) {
    return UsageError(
        "the splits leave nothing to register: \"train\", \"pool\" and \"val\" are empty");
  }
  StreamOptions stream;
  stream.verification = options.verification == "none"     ? v1::VERIFICATION_NONE
                        : options.verification == "header" ? v1::VERIFICATION_HEADER
                                                           : v1::VERIFICATION_DECODE;
  // Small chunks keep the bar moving when every image is decoded.
  if (options.verification == "decode") stream.chunk_items = 100;
  const auto bar = session.Progress("registering", static_cast<int64_t>(plan.size()), "images");
  absl::StatusOr<RegisterResult> result =
      (*client)->RegisterImages(PoolName(options.pool), Images(*dataset, plan, options.server_path),
                                stream, [&bar](int64_t done) { bar->Set(done); });
  bar->Finish();
  if (!result.ok()) return result.status();
  Report(*result, session);
  if (!result->refused.empty()) {
    return absl::FailedPreconditionError(
        absl::StrCat(result->refused.size(),
                     " images were refused; the others are registered. Correct them and ",
                     "run the same command again: it registers only what is missing"));
  }
  return absl::OkStatus();
}

}  // namespace

void AddRegisterCommand(CLI::App& app, Session& session) {
  auto* command =
      app.add_subcommand("register", "Register the images of a folder or a labeled dataset");
  command->footer(
      "Examples:\n"
      "  mgral register cells --images photos   (images without labels)\n"
      "  mgral register cells --coco cells/annotations.json --images cells/images\n"
      "  mgral register cells --voc VOC2007 --use validation\n"
      "  mgral register cells --coco a.json --server-path cells/images   (files are on the "
      "server)\n"
      "Safe to repeat after a failure: images already registered are skipped.");
  auto options = std::make_shared<Options>();
  command->add_option("pool", options->pool, "The pool's name")->required();
  options->dataset.allows_unlabeled = true;
  AddDatasetOptions(*command, &options->dataset);
  auto* use =
      command->add_option("--use", options->use, "What the images are for: training or validation")
          ->check(CLI::IsMember({"training", "validation"}))
          ->capture_default_str();
  command
      ->add_option("--splits", options->dataset.splits,
                   "JSON file with lists of file names: \"train\" or \"pool\" is registered for "
                   "training, \"val\" for validation, \"test\" not at all")
      ->excludes(use);
  // Not an option of an optional: CLI11 takes "" for nothing there.
  command->add_option_function<std::string>(
      "--server-path", [options](const std::string& v) { options->server_path = v; },
      "Send paths instead of bytes: the folder of the images below the server's image root "
      "(\"\" is the root itself)");
  command
      ->add_option("--verification", options->verification,
                   "How the server checks each image: decode it, read its header, or none")
      ->check(CLI::IsMember({"decode", "header", "none"}))
      ->capture_default_str();
  command->callback([options, &session] { session.Finish(Register(*options, session)); });
}

}  // namespace mgral::client
