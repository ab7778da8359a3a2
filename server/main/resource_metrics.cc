#include "server/main/resource_metrics.h"

#include <dirent.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <optional>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "server/main/metric_family.h"

namespace mgral::server {
namespace {

// Fields of /proc/self/stat after the program's name, which may hold blanks: field 3 of proc(5) is
// the first.
std::vector<std::string> ProcessStat() {
  std::ifstream file("/proc/self/stat");
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  const size_t name_end = text.rfind(')');
  if (name_end == std::string::npos) return {};
  return absl::StrSplit(text.substr(name_end + 1), ' ', absl::SkipWhitespace());
}

std::optional<double> Field(const std::vector<std::string>& stat, size_t number) {
  double value = 0;
  if (number - 3 >= stat.size() || !absl::SimpleAtod(stat[number - 3], &value)) return {};
  return value;
}

std::optional<double> BootTime() {
  std::ifstream file("/proc/stat");
  for (std::string word; file >> word;) {
    double seconds = 0;
    if (word == "btime" && file >> seconds) return seconds;
  }
  return {};
}

std::optional<double> OpenFiles() {
  DIR* const folder = opendir("/proc/self/fd");
  if (folder == nullptr) return {};
  double files = -1;  // the one that reads the folder
  while (const dirent* const entry = readdir(folder)) files += entry->d_name[0] != '.';
  closedir(folder);
  return files;
}

}  // namespace

std::vector<prometheus::MetricFamily> ProcessFamilies() {
  using prometheus::MetricType;
  std::vector<prometheus::MetricFamily> families;
  const auto add = [&](const std::string& name, const std::string& help,
                       std::optional<double> value, MetricType type = MetricType::Gauge) {
    if (value) families.push_back(FamilyOf(name, help, {{*value, {}}}, type));
  };
  const std::vector<std::string> stat = ProcessStat();
  const double ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
  const double page = static_cast<double>(sysconf(_SC_PAGESIZE));
  const auto user = Field(stat, 14), system = Field(stat, 15);
  if (user && system) {
    add("process_cpu_seconds_total", "User and system CPU time spent in seconds.",
        (*user + *system) / ticks, MetricType::Counter);
  }
  // Once: the kernel works the boot time out anew whenever it is asked, a second more or less.
  static const std::optional<double> boot = BootTime();
  const auto start = Field(stat, 22);
  if (boot && start) {
    add("process_start_time_seconds", "Start time of the process since the Unix epoch in seconds.",
        *boot + *start / ticks);
  }
  const auto pages = Field(stat, 24);
  add("process_threads", "Threads of the process.", Field(stat, 20));
  add("process_virtual_memory_bytes", "Virtual memory size in bytes.", Field(stat, 23));
  if (pages) {
    add("process_resident_memory_bytes", "Resident memory size in bytes.", *pages * page);
  }
  add("process_open_fds", "Number of open file descriptors.", OpenFiles());
  rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    add("process_max_fds", "Maximum number of open file descriptors.",
        static_cast<double>(limit.rlim_cur));
  }
  return families;
}

std::vector<prometheus::MetricFamily> DiskFamilies(const std::string& folder) {
  struct statvfs disk;
  if (statvfs(folder.c_str(), &disk) != 0) return {};
  const double block = static_cast<double>(disk.f_frsize);
  return {FamilyOf("mgral_artifact_free_bytes",
                   "Free space available to this process on the file system of artifact_dir.",
                   {{static_cast<double>(disk.f_bavail) * block, {}}}),
          FamilyOf("mgral_artifact_size_bytes", "Size of the file system of artifact_dir.",
                   {{static_cast<double>(disk.f_blocks) * block, {}}})};
}

}  // namespace mgral::server
