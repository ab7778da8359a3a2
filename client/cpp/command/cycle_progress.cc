#include "client/cpp/command/cycle_progress.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/cpp/command/text_table.h"

namespace mgral::client {
namespace {

constexpr int64_t kParts = 1000;  // of a stage, for its bar

// A few of a stage's figures, e.g. "loss 0.412, images_per_second 88".
std::string Figures(const v1::StageProgress& stage) {
  // Sorted: the map's own order changes from run to run.
  const std::map<std::string, double> metrics(stage.metrics().begin(), stage.metrics().end());
  std::string text;
  int shown = 0;
  for (const auto& [name, value] : metrics) {
    if (++shown > 3) break;
    absl::StrAppend(&text, text.empty() ? "" : ", ", name, " ", absl::StrFormat("%.4g", value));
  }
  return text;
}

// The first images that the cycle could not use.
void PrintLeftOut(const v1::Cycle& cycle, std::ostream& out) {
  constexpr int kPrinted = 5;
  if (cycle.left_out_count() == 0) return;
  out << "  left out         " << cycle.left_out_count() << " images that cannot be used\n";
  for (int i = 0; i < std::min(cycle.left_out_size(), kPrinted); ++i) {
    out << "    " << cycle.left_out(i).image() << ": " << cycle.left_out(i).reason() << "\n";
  }
  if (cycle.left_out_count() > kPrinted) out << "    ... all with --json\n";
}

}  // namespace

std::string StageName(v1::CycleStage stage) {
  if (stage == v1::CYCLE_STAGE_UNSPECIFIED || !v1::CycleStage_IsValid(stage)) return "queued";
  return absl::AsciiStrToLower(v1::CycleStage_Name(stage).substr(sizeof("CYCLE_STAGE_") - 1));
}

std::string StateName(v1::CycleState state) {
  if (!v1::CycleState_IsValid(state)) return "unknown";
  return absl::AsciiStrToLower(v1::CycleState_Name(state).substr(sizeof("CYCLE_STATE_") - 1));
}

void CycleProgress::Update(const v1::Cycle& cycle) {
  const v1::StageProgress* stage = nullptr;
  for (const v1::StageProgress& each : cycle.stages()) {
    if (each.stage() == cycle.stage()) stage = &each;
  }
  const int64_t done =
      stage == nullptr ? 0 : std::llround(std::fmin(std::fmax(stage->fraction(), 0), 1) * kParts);
  if (bar_ == nullptr || cycle.stage() != stage_) {
    if (bar_ != nullptr) bar_->Set(kParts);
    bar_.reset();  // ends its line before the next begins
    stage_ = cycle.stage();
    bar_ = session_.Progress(absl::StrFormat("%-8s", StageName(stage_)), kParts, "");
    bar_->StartFrom(done);
  }
  if (stage != nullptr) bar_->SetNote(Figures(*stage));
  bar_->Set(done);
}

void CycleProgress::Finish() { bar_.reset(); }

void PrintCycle(const v1::Cycle& cycle, std::ostream& out) {
  out << cycle.name() << ": " << StateName(cycle.state());
  if (!cycle.error().empty()) out << ": " << cycle.error();
  out << "\n";
  if (cycle.stages_size() > 0) {
    TextTable table({"STAGE", "DONE", "SECONDS"});
    for (const v1::StageProgress& stage : cycle.stages()) {
      table.Add({StageName(stage.stage()), absl::StrFormat("%.0f%%", stage.fraction() * 100),
                 absl::StrFormat("%.1f", stage.seconds())});
    }
    table.Print(out);
  }
  PrintLeftOut(cycle, out);
  if (cycle.state() != v1::CYCLE_STATE_SUCCEEDED) return;
  out << "  trained on       " << cycle.training_images() << " images, measured on "
      << cycle.validation_images() << "\n"
      << absl::StrFormat("  mAP@.5           %.4f\n  mAP@[.5:.95]     %.4f\n", cycle.map50(),
                         cycle.map())
      << "  model            " << cycle.model() << "\n";
  if (cycle.has_realised_gain()) {
    out << absl::StrFormat("  gain             %+.4f mAP, predicted was %+.4f ± %.4f\n",
                           cycle.realised_gain(), cycle.predicted_gain(),
                           cycle.predicted_gain_standard_error());
  }
  const v1::TableReport& table = cycle.table();
  if (!cycle.has_table() || table.cells() == 0) return;
  out << "  look-up table    " << table.cells() << " cells from " << table.replay_probes()
      << " replay probes";
  if (table.has_fidelity()) out << absl::StrFormat(", fidelity %.2f", table.fidelity());
  out << "\n";
}

}  // namespace mgral::client
