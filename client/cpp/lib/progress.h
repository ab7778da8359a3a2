#pragma once

#include <cstdint>
#include <functional>
#include <iosfwd>
#include <mutex>
#include <string>

#include "absl/time/time.h"

namespace mgral::client {

struct ProgressOptions {
  // Null: std::cerr. Must outlive the bar.
  std::ostream* stream = nullptr;
  // A bar redrawn in place, or plain lines. Default: whether stderr is a terminal.
  enum class Style { kAuto, kTerminal, kPlain, kSilent } style = Style::kAuto;
  std::function<absl::Time()> clock;  // null: absl::Now
  absl::Duration terminal_interval = absl::Milliseconds(100);
  absl::Duration plain_interval = absl::Seconds(5);
  int columns = 0;  // of the terminal; 0 asks it
};

// Shows the progress of a long operation: count, rate, time left. Thread-safe.
class ProgressBar {
 public:
  // `total` 0: unknown. `unit`: what is counted, in the plural, e.g. "images"; empty: a share of
  // the total, shown in percent without a rate.
  ProgressBar(std::string label, int64_t total, std::string unit, ProgressOptions options = {});
  ~ProgressBar();  // Finish()
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  void Add(int64_t count = 1);
  void Set(int64_t done);
  // Work done before the bar started: it counts as done, but not toward the rate.
  void StartFrom(int64_t done);
  void SetTotal(int64_t total);
  // A few words after the figures, e.g. the stage of a cycle.
  void SetNote(std::string note);
  // Draws the last line, with the elapsed time. Further calls do nothing.
  void Finish();

 private:
  void Draw(bool force);  // needs mutex_
  std::string Line(absl::Time now, bool finished) const;

  const std::string label_, unit_;
  ProgressOptions options_;
  std::mutex mutex_;
  int64_t total_ = 0, done_ = 0, base_ = 0;
  std::string note_;
  absl::Time start_, last_draw_;
  size_t last_width_ = 0;
  bool finished_ = false;
};

// "0:07", "12:40", "3:02:10", "2d 04:00"; "?" if infinite.
std::string FormatSeconds(absl::Duration duration);
// 1234567 as "1.23 M", 950 as "950", 3.25 as "3.2".
std::string FormatCount(double value);

}  // namespace mgral::client
