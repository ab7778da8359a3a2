#include "client/cpp/lib/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <iostream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"

namespace mgral::client {
namespace {

constexpr int kBarColumns = 24;

int TerminalColumns() {
  winsize size{};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return 80;
}

std::string Bar(double fraction) {
  const int filled = static_cast<int>(std::floor(fraction * kBarColumns));
  return absl::StrCat("[", std::string(filled, '#'), std::string(kBarColumns - filled, '.'), "]");
}

}  // namespace

ProgressBar::ProgressBar(std::string label, int64_t total, std::string unit,
                         ProgressOptions options)
    : label_(std::move(label)),
      unit_(std::move(unit)),
      options_(std::move(options)),
      total_(std::max<int64_t>(total, 0)) {
  using Style = ProgressOptions::Style;
  if (options_.style == Style::kAuto) {
    options_.style = isatty(STDERR_FILENO) != 0 ? Style::kTerminal : Style::kPlain;
  }
  if (options_.stream == nullptr) options_.stream = &std::cerr;
  if (!options_.clock) options_.clock = [] { return absl::Now(); };
  start_ = last_draw_ = options_.clock();
  if (options_.style == Style::kTerminal) {
    std::lock_guard<std::mutex> lock(mutex_);
    Draw(/*force=*/true);
  }
}

ProgressBar::~ProgressBar() { Finish(); }

void ProgressBar::Add(int64_t count) {
  std::lock_guard<std::mutex> lock(mutex_);
  done_ += count;
  Draw(/*force=*/false);
}

void ProgressBar::Set(int64_t done) {
  std::lock_guard<std::mutex> lock(mutex_);
  done_ = done;
  Draw(/*force=*/false);
}

void ProgressBar::StartFrom(int64_t done) {
  std::lock_guard<std::mutex> lock(mutex_);
  done_ = base_ = done;
  Draw(/*force=*/false);
}

void ProgressBar::SetTotal(int64_t total) {
  std::lock_guard<std::mutex> lock(mutex_);
  total_ = std::max<int64_t>(total, 0);
  Draw(/*force=*/false);
}

void ProgressBar::SetNote(std::string note) {
  std::lock_guard<std::mutex> lock(mutex_);
  note_ = std::move(note);
  Draw(/*force=*/false);
}

void ProgressBar::Finish() {
  std::lock_guard<std::mutex> lock(mutex_);
  if (finished_) return;
  finished_ = true;
  if (options_.style == ProgressOptions::Style::kSilent) return;
  Draw(/*force=*/true);
  if (options_.style == ProgressOptions::Style::kTerminal) *options_.stream << "\n" << std::flush;
}

void ProgressBar::Draw(bool force) {
  using Style = ProgressOptions::Style;
  if (options_.style == Style::kSilent || (finished_ && !force)) return;
  const absl::Time now = options_.clock();
  const bool terminal = options_.style == Style::kTerminal;
  const absl::Duration interval = terminal ? options_.terminal_interval : options_.plain_interval;
  if (!force && now - last_draw_ < interval) return;
  last_draw_ = now;
  std::string line = Line(now, finished_);
  if (!terminal) {
    *options_.stream << line << "\n" << std::flush;
    return;
  }
  // A line that wraps could not be overwritten.
  const size_t columns = static_cast<size_t>(
      std::max(options_.columns > 0 ? options_.columns : TerminalColumns(), 20));
  if (line.size() >= columns) line.resize(columns - 1);
  const size_t width = line.size();
  if (width < last_width_) line.append(last_width_ - width, ' ');
  last_width_ = width;
  *options_.stream << "\r" << line << std::flush;
}

std::string ProgressBar::Line(absl::Time now, bool finished) const {
  const absl::Duration elapsed = std::max(now - start_, absl::ZeroDuration());
  const double seconds = absl::ToDoubleSeconds(elapsed);
  const double rate = seconds > 0 ? static_cast<double>(done_ - base_) / seconds : 0;
  std::string line = label_;
  if (total_ > 0) {
    const double fraction = std::clamp(static_cast<double>(done_) / total_, 0.0, 1.0);
    if (options_.style == ProgressOptions::Style::kTerminal) {
      absl::StrAppend(&line, " ", Bar(fraction));
    }
    // 100 % only when it is all done.
    absl::StrAppend(&line, absl::StrFormat(" %3d %%", static_cast<int>(fraction * 100)));
    if (!unit_.empty()) absl::StrAppend(&line, "  ", done_, "/", total_, " ", unit_);
  } else {
    absl::StrAppend(&line, "  ", done_, " ", unit_);
  }
  if (rate > 0 && !unit_.empty()) absl::StrAppend(&line, "  ", FormatCount(rate), " ", unit_, "/s");
  if (finished) {
    absl::StrAppend(&line, "  in ", FormatSeconds(elapsed));
  } else if (total_ > 0 && rate > 0) {
    const double left = static_cast<double>(std::max<int64_t>(total_ - done_, 0)) / rate;
    absl::StrAppend(&line, "  ETA ", FormatSeconds(absl::Seconds(left)));
  }
  if (!note_.empty()) absl::StrAppend(&line, "  ", note_);
  return line;
}

std::string FormatSeconds(absl::Duration duration) {
  if (duration == absl::InfiniteDuration()) return "?";
  const int64_t all = std::max<int64_t>(absl::ToInt64Seconds(duration), 0);
  const int64_t seconds = all % 60, minutes = all / 60 % 60, hours = all / 3600 % 24;
  const int64_t days = all / 86400;
  if (days > 0) return absl::StrFormat("%dd %02d:%02d", days, hours, minutes);
  if (hours > 0) return absl::StrFormat("%d:%02d:%02d", hours, minutes, seconds);
  return absl::StrFormat("%d:%02d", minutes, seconds);
}

std::string FormatCount(double value) {
  if (!std::isfinite(value)) return "?";
  if (value >= 999.5e6) return absl::StrFormat("%.2f G", value / 1e9);
  if (value >= 999.5e3) return absl::StrFormat("%.2f M", value / 1e6);
  if (value >= 9999.5) return absl::StrFormat("%.1f k", value / 1e3);
  if (value >= 10 || value == std::floor(value)) return absl::StrFormat("%.0f", value);
  return absl::StrFormat("%.1f", value);
}

}  // namespace mgral::client
