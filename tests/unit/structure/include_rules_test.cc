// Keeps the rule of docs/architecture.md: which folder may include which, and which folder may see
// which library. It reads every #include below server/ and client/; it needs no build of them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <regex>
#include <string>
#include <utility>
#include <vector>

namespace mgral {
namespace {

namespace fs = std::filesystem;
using Strings = std::vector<std::string>;

// Libraries, by the beginning of what is written between the brackets.
const std::vector<std::pair<std::string, Strings>>& Libraries() {
  static const auto* libraries = new std::vector<std::pair<std::string, Strings>>{
      {"torch", {"torch/", "ATen/", "c10/", "caffe2/"}},
      {"pqxx", {"pqxx/", "libpq-fe.h", "libpq/", "postgresql/"}},
      {"opencv", {"opencv2/", "jpeglib.h", "jerror.h", "tiffio.h", "webp/"}},
      {"grpc", {"grpc/", "grpcpp/", "grpc++/"}},
      {"proto", {"mgral/v1/", "google/rpc/", "google/protobuf/"}},
      {"absl", {"absl/"}},
      {"spdlog", {"spdlog/", "fmt/"}},
      {"prometheus", {"prometheus/"}},
      {"yaml", {"yaml-cpp/"}},
      {"cli11", {"CLI/"}},
      {"json", {"nlohmann/"}},
      {"curl", {"curl/"}},
      {"http", {"microhttpd.h"}},
      {"openssl", {"openssl/"}},
      {"benchmark", {"benchmark/"}},
      {"pugixml", {"pugixml.hpp"}},
      {"boost", {"boost/"}},
      // Of the system: allowed everywhere.
      {"", {"sys/", "linux/", "netinet/", "arpa/", "net/"}},
  };
  return *libraries;
}

// A folder (or the beginning of file names), what of ours it may include, what libraries it may
// see. The first rule whose prefix fits a file holds for it.
struct Rule {
  std::string prefix;
  Strings includes;
  Strings libraries;
};

const std::vector<Rule>& Rules() {
  static const auto* rules = new std::vector<Rule>{
      {"server/core/bench/", {"server/core/"}, {"torch", "opencv", "benchmark", "json"}},
      {"server/core/", {"server/core/"}, {"torch"}},
      {"server/base/", {"server/base/"}, {"absl", "spdlog"}},
      {"server/domain/", {"server/domain/", "server/base/"}, {"absl"}},
      {"server/app/",
       {"server/app/", "server/domain/", "server/base/"},
       {"absl", "spdlog", "json"}},
      {"server/storage/",
       {"server/storage/", "server/domain/", "server/base/"},
       {"absl", "spdlog", "pqxx", "json", "openssl"}},
      {"server/imaging/",
       {"server/imaging/", "server/domain/", "server/base/"},
       {"absl", "spdlog", "opencv", "curl"}},
      {"server/runtime/",
       {"server/runtime/", "server/domain/", "server/base/", "server/core/"},
       {"absl", "spdlog", "torch", "json", "openssl"}},
      {"server/cycle/",
       {"server/cycle/", "server/domain/", "server/base/"},
       {"absl", "spdlog", "json"}},
      {"server/rpc/",
       {"server/rpc/", "server/app/", "server/domain/", "server/base/"},
       {"absl", "spdlog", "proto", "grpc", "prometheus", "openssl"}},
      {"server/main/",
       {"server/"},
       {"absl", "spdlog", "proto", "grpc", "prometheus", "yaml", "http", "cli11", "json"}},
      {"client/cpp/lib/", {"client/cpp/lib/"}, {"absl", "proto", "grpc", "json", "pugixml"}},
      {"client/cpp/synth/", {"client/cpp/synth/"}, {"absl", "json", "opencv"}},
      {"client/cpp/report/",
       {"client/cpp/report/", "client/cpp/lib/", "server/domain/strategy.h"},
       {"absl", "json", "opencv", "boost"}},
      {"client/cpp/simulate/",
       {"client/cpp/simulate/", "client/cpp/report/", "client/cpp/synth/", "client/cpp/lib/",
        "server/core/evaluation/", "server/domain/strategy.h"},
       {"absl", "proto", "json"}},
      {"client/cpp/prior/",
       {"client/cpp/prior/", "client/cpp/report/", "server/core/lookup/"},
       {"absl"}},
      {"client/cpp/fidelity/",
       {"client/cpp/fidelity/", "client/cpp/simulate/", "client/cpp/report/", "client/cpp/synth/",
        "client/cpp/lib/", "server/domain/strategy.h"},
       {"absl", "proto", "json"}},
      {"client/cpp/command/",
       {"client/cpp/", "server/core/lookup/features.h", "server/domain/strategy.h"},
       {"absl", "proto", "json", "cli11"}},
      {"client/cpp/main.cc", {"client/cpp/command/"}, {}},
  };
  return *rules;
}

bool StartsWithAny(const std::string& text, const Strings& prefixes) {
  for (const std::string& prefix : prefixes) {
    if (text.compare(0, prefix.size(), prefix) == 0) return true;
  }
  return false;
}

bool Contains(const Strings& all, const std::string& one) {
  return std::find(all.begin(), all.end(), one) != all.end();
}

// What is wrong with a file's include of `target`; empty if nothing is.
std::string Violation(const Rule& rule, const std::string& target) {
  if (StartsWithAny(target, {"server/", "client/", "tests/"})) {
    return StartsWithAny(target, rule.includes) ? "" : rule.prefix + " may not include it";
  }
  for (const auto& [library, prefixes] : Libraries()) {
    if (!StartsWithAny(target, prefixes)) continue;
    if (library.empty() || Contains(rule.libraries, library)) return "";
    return rule.prefix + " may not see " + library;
  }
  // The standard library's headers have no dot and no folder; the system's are like <unistd.h>.
  static const std::regex kSystem("[a-z0-9_]+(\\.h)?");
  if (std::regex_match(target, kSystem)) return "";
  return "unknown library: name it in include_rules_test.cc";
}

void ScanFile(const fs::path& root, const fs::path& path, Strings* violations) {
  static const std::regex kInclude("^\\s*#\\s*include\\s*(\\S.*)$");
  static const std::regex kTarget("^([<\"])([^>\"]+)[>\"].*$");
  const std::string name = fs::relative(path, root).generic_string();
  const Rule* rule = nullptr;
  for (const Rule& candidate : Rules()) {
    if (StartsWithAny(name, {candidate.prefix})) {
      rule = &candidate;
      break;
    }
  }
  if (rule == nullptr) {
    violations->push_back(name + ": no rule for its folder");
    return;
  }
  std::ifstream file(path);
  std::string line;
  for (int number = 1; std::getline(file, line); ++number) {
    std::smatch include, target;
    if (!std::regex_match(line, include, kInclude)) continue;
    const std::string rest = include[1];
    std::string wrong;
    if (!std::regex_match(rest, target, kTarget)) {
      wrong = "written as a macro: it cannot be checked";
    } else if (target[1] == "\"" && target[2].str().find('/') == std::string::npos) {
      wrong = "write it from the repository's root";
    } else if (target[2].str().find("..") != std::string::npos) {
      wrong = "write it from the repository's root";
    } else {
      wrong = Violation(*rule, target[2]);
    }
    if (!wrong.empty()) {
      violations->push_back(name + ":" + std::to_string(number) + ": #include " + rest + ": " +
                            wrong);
    }
  }
}

// Every violation below root/server and root/client, with file and line. `files` counts the files.
Strings Scan(const fs::path& root, int* files) {
  Strings violations;
  *files = 0;
  for (const char* top : {"server", "client"}) {
    if (!fs::exists(root / top)) continue;
    for (const auto& entry : fs::recursive_directory_iterator(root / top)) {
      const std::string extension = entry.path().extension().string();
      if (!Contains({".h", ".cc", ".hpp", ".cpp", ".cu", ".cuh", ".inc"}, extension)) continue;
      ++*files;
      ScanFile(root, entry.path(), &violations);
    }
  }
  return violations;
}

TEST(IncludeRules, HoldInTheRepository) {
  const char* root = std::getenv("MGRAL_SOURCE_DIR");
  ASSERT_NE(root, nullptr) << "run by ctest, or set it to the repository's root";
  int files = 0;
  EXPECT_THAT(Scan(root, &files), testing::IsEmpty());
  EXPECT_GT(files, 30) << "the scan does not find the sources";
}

struct Planted {
  std::string file;
  std::string line;
  bool allowed;
};

class PlantedInclude : public testing::TestWithParam<Planted> {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "mgral-includes-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    root_ = name;
  }
  void TearDown() override { fs::remove_all(root_); }
  fs::path root_;
};

TEST_P(PlantedInclude, IsFoundExactlyWhenForbidden) {
  const fs::path file = root_ / GetParam().file;
  fs::create_directories(file.parent_path());
  std::ofstream(file) << "#include <vector>\n\n" << GetParam().line << "\n";
  int files = 0;
  const Strings violations = Scan(root_, &files);
  EXPECT_EQ(files, 1);
  if (GetParam().allowed) {
    EXPECT_THAT(violations, testing::IsEmpty());
  } else {
    ASSERT_EQ(violations.size(), 1u);
    EXPECT_THAT(violations[0], testing::StartsWith(GetParam().file + ":3: "));
  }
}

INSTANTIATE_TEST_SUITE_P(
    Edges, PlantedInclude,
    testing::Values(
        // Ours.
        Planted{"server/app/a.cc", "#include \"server/domain/pool.h\"", true},
        Planted{"server/app/a.cc", "#include \"server/storage/pool_store.h\"", false},
        Planted{"server/app/a.cc", "#include \"server/core/lookup/table.h\"", false},
        Planted{"server/app/a.cc", "  #  include <server/rpc/status_map.h>", false},
        Planted{"server/domain/a.h", "#include \"server/app/query_batch.h\"", false},
        Planted{"server/base/a.h", "#include \"server/domain/pool.h\"", false},
        Planted{"server/core/lookup/a.cc", "#include \"server/base/errors.h\"", false},
        Planted{"server/runtime/a.cc", "#include \"server/core/lookup/table.h\"", true},
        Planted{"server/runtime/a.cc", "#include \"server/cycle/job_runner.h\"", false},
        Planted{"server/cycle/a.cc", "#include \"server/core/lookup/table.h\"", false},
        Planted{"server/cycle/a.cc", "#include \"server/app/query_batch.h\"", false},
        Planted{"server/cycle/a.cc", "#include \"server/storage/job_queue.h\"", false},
        Planted{"server/rpc/a.cc", "#include \"server/runtime/executor.h\"", false},
        Planted{"server/imaging/a.cc", "#include \"server/storage/x.h\"", false},
        Planted{"server/main/a.cc", "#include \"server/storage/pool_store.h\"", true},
        Planted{"server/main/a.cc", "#include \"tests/support/postgres.h\"", false},
        Planted{"client/cpp/simulate/a.cc", "#include \"server/core/evaluation/voc.h\"", true},
        Planted{"client/cpp/simulate/a.cc", "#include \"server/core/detector/model.h\"", false},
        Planted{"client/cpp/report/a.cc", "#include \"server/domain/strategy.h\"", true},
        Planted{"client/cpp/report/a.cc", "#include \"server/domain/pool.h\"", false},
        Planted{"client/cpp/simulate/a.cc", "#include \"client/cpp/command/session.h\"", false},
        Planted{"client/cpp/lib/a.cc", "#include \"server/domain/pool.h\"", false},
        Planted{"client/cpp/lib/a.cc", "#include \"client/cpp/report/results.h\"", false},
        Planted{"client/cpp/command/a.cc", "#include \"client/cpp/lib/client.h\"", true},
        // Libraries.
        Planted{"server/core/lookup/a.cc", "#include <torch/torch.h>", true},
        Planted{"server/core/lookup/a.cc", "#include \"absl/status/status.h\"", false},
        Planted{"server/core/lookup/a.cc", "#include <spdlog/spdlog.h>", false},
        Planted{"server/app/a.cc", "#include <pqxx/pqxx>", false},
        Planted{"server/app/a.cc", "#include \"mgral/v1/image.pb.h\"", false},
        Planted{"server/app/a.cc", "#include <torch/torch.h>", false},
        Planted{"server/rpc/a.cc", "#include \"mgral/v1/image.pb.h\"", true},
        Planted{"server/rpc/a.cc", "#include <c10/core/Device.h>", false},
        Planted{"server/storage/a.cc", "#include <pqxx/pqxx>", true},
        Planted{"server/cycle/a.cc", "#include <grpcpp/grpcpp.h>", false},
        Planted{"server/cycle/a.cc", "#include \"server/cycle/records.pb.h\"", true},
        Planted{"server/cycle/a.cc", "#include <google/protobuf/message.h>", false},
        Planted{"server/cycle/a.cc", "#include \"mgral/v1/image.pb.h\"", false},
        Planted{"server/app/a.cc", "#include \"server/cycle/records.pb.h\"", false},
        Planted{"server/runtime/a.cc", "#include <opencv2/core.hpp>", false},
        Planted{"client/cpp/lib/a.cc", "#include <opencv2/core.hpp>", false},
        Planted{"client/cpp/lib/a.cc", "#include <CLI/CLI.hpp>", false},
        Planted{"client/cpp/synth/draw.cc", "#include <opencv2/core.hpp>", true},
        Planted{"server/main/a.cc", "#include <ATen/ATen.h>", false},
        // What would slip through.
        Planted{"server/app/a.cc", "#include \"types.h\"", false},
        Planted{"server/app/a.cc", "#include \"../storage/pool_store.h\"", false},
        Planted{"server/app/a.cc", "#include HEADER", false},
        Planted{"server/app/a.cc", "#include <folly/Conv.h>", false},
        Planted{"server/app/a.cc", "#include <unistd.h>", true},
        Planted{"server/app/a.cc", "// #include <pqxx/pqxx>", true}));

TEST(IncludeRules, AFolderWithoutARuleIsAViolation) {
  std::string name = (fs::temp_directory_path() / "mgral-includes-XXXXXX").string();
  ASSERT_NE(mkdtemp(name.data()), nullptr);
  fs::create_directories(fs::path(name) / "server/misc");
  std::ofstream(fs::path(name) / "server/misc/a.cc") << "\n";
  int files = 0;
  EXPECT_EQ(Scan(name, &files).size(), 1u);
  fs::remove_all(name);
}

}  // namespace
}  // namespace mgral
