// mgral synth
#include <memory>
#include <ostream>

#include "CLI/CLI.hpp"
#include "client/cpp/command/commands.h"
#include "client/cpp/synth/synth.h"

namespace mgral::client {
namespace {

Json SummaryJson(const SynthOptions& options, const SynthSummary& summary) {
  Json classes = Json::object();
  for (int kind = 0; kind < kSynthClasses; ++kind) {
    classes[SynthClassNames()[kind]] = summary.class_images[kind];
  }
  return {{"directory", options.folder},  {"images", summary.images},
          {"boxes", summary.boxes},       {"empty_images", summary.empty_images},
          {"bursts", summary.bursts},     {"burst_images", summary.burst_images},
          {"images_with_class", classes}, {"train", summary.train},
          {"val", summary.validation},    {"test", summary.test}};
}

void RunSynth(const SynthOptions& options, Session& session) {
  const std::unique_ptr<ProgressBar> bar = session.Progress("drawing", options.images, "images");
  absl::StatusOr<SynthSummary> summary =
      WriteSynthDataset(options, [&bar](int64_t done) { bar->Set(done); });
  if (!summary.ok()) {
    const absl::Status& status = summary.status();
    session.Finish(absl::IsInvalidArgument(status) ? UsageError(std::string(status.message()))
                                                   : status);
    return;
  }
  bar->Finish();
  if (session.json) {
    session.PrintJson(SummaryJson(options, *summary));
  } else {
    session.out() << options.folder << ": " << summary->images << " images (train "
                  << summary->train << ", val " << summary->validation << ", test " << summary->test
                  << "), " << summary->boxes << " boxes, " << summary->empty_images << " empty, "
                  << summary->burst_images << " in " << summary->bursts << " bursts\nimages with";
    for (int kind = 0; kind < kSynthClasses; ++kind) {
      session.out() << (kind > 0 ? "," : "") << " " << SynthClassNames()[kind] << " "
                    << summary->class_images[kind];
    }
    session.out() << "\n";
  }
  session.Finish(absl::OkStatus());
}

}  // namespace

void AddSynthCommand(CLI::App& app, Session& session) {
  auto options = std::make_shared<SynthOptions>();
  CLI::App* command = app.add_subcommand(
      "synth", "Generate a small labeled dataset: long-tailed classes, bursts, empty images");
  command->footer(
      "Example:\n"
      "  mgral synth --out drawn --images 200\n"
      "Writes images/, annotations.json (COCO), and splits.json.");
  command->add_option("--out", options->folder, "Output folder")->required();
  command->add_option("--images", options->images, "Number of images")->capture_default_str();
  command->add_option("--seed", options->seed, "The same seed generates the same dataset")
      ->capture_default_str();
  command->add_option("--size", options->size, "Width and height in pixels")->capture_default_str();
  command->add_option("--contact-sheet", options->contact_sheet,
                      "Also write an overview of 48 images with their boxes to this JPEG file");
  command->callback([options, &session] { RunSynth(*options, session); });
}

}  // namespace mgral::client
