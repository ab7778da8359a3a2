#include "server/main/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <set>

namespace mgral::server {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

absl::StatusOr<CommandLine> Parse(const std::vector<std::string>& words,
                                  const std::map<std::string, std::string>& environment = {}) {
  return ParseCommandLine(words, [&](const std::string& name) -> const char* {
    const auto found = environment.find(name);
    return found == environment.end() ? nullptr : found->second.c_str();
  });
}

std::string Mistake(const std::vector<std::string>& words,
                    const std::map<std::string, std::string>& environment = {}) {
  const auto line = Parse(words, environment);
  EXPECT_TRUE(absl::IsInvalidArgument(line.status())) << line.status();
  return std::string(line.status().message());
}

class OptionsFile {
 public:
  explicit OptionsFile(const std::string& text) {
    path_ = ::testing::TempDir() + "/options-XXXXXX";
    close(mkstemp(&path_[0]));
    std::ofstream(path_) << text;
  }
  ~OptionsFile() { std::remove(path_.c_str()); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

TEST(OptionsTest, EveryDefaultIsAValue) {
  const auto line = Parse({});
  ASSERT_TRUE(line.ok()) << line.status();
  EXPECT_EQ(line->command, Command::kServe);
  EXPECT_EQ(line->options.listen, "127.0.0.1:50051");
  EXPECT_TRUE(line->options.api && line->options.worker && line->options.migrate);
  EXPECT_EQ(line->options.max_image_bytes, 64 << 20);
  EXPECT_EQ(line->options.job_lease, absl::Seconds(30));
  EXPECT_TRUE(line->options.uri_prefixes.empty());
}

TEST(OptionsTest, NamesAreUniqueAndExplained) {
  std::set<std::string> names;
  for (const OptionSpec& option : OptionList()) {
    EXPECT_TRUE(names.insert(option.name).second) << option.name;
    EXPECT_FALSE(option.help.empty()) << option.name;
    EXPECT_THAT(OptionsAsMarkdown(), HasSubstr("| `" + option.name + "` |"));
    EXPECT_THAT(HelpText(), HasSubstr("--" + option.name + "="));
  }
}

TEST(OptionsTest, FlagBeatsEnvironmentBeatsFileBeatsDefault) {
  const OptionsFile file("threads: 3\ndecoders: 3\ncache_mb: 3\n");
  const auto line = Parse({"--threads=5", "--config=" + file.path()},
                          {{"MGRAL_THREADS", "4"}, {"MGRAL_DECODERS", "4"}});
  ASSERT_TRUE(line.ok()) << line.status();
  EXPECT_EQ(line->options.threads, 5);
  EXPECT_EQ(line->options.decoders, 4);
  EXPECT_EQ(line->options.cache_mb, 3);
  EXPECT_EQ(line->options.max_streams, 64);
}

TEST(OptionsTest, FilesMayHoldLists) {
  const OptionsFile file("roles: [worker]\nuri_prefixes:\n  - http://a/\n  - https://b/\n");
  const auto line = Parse({}, {{"MGRAL_CONFIG", file.path()}});
  ASSERT_TRUE(line.ok()) << line.status();
  EXPECT_FALSE(line->options.api);
  EXPECT_THAT(line->options.uri_prefixes, ElementsAre("http://a/", "https://b/"));
}

TEST(OptionsTest, MistakesInFilesNameTheLine) {
  EXPECT_THAT(Mistake({"--config=/does/not/exist.yaml"}), HasSubstr("/does/not/exist.yaml"));
  const OptionsFile unknown("threads: 1\n\nthread: 2\n");
  EXPECT_THAT(Mistake({"--config=" + unknown.path()}), HasSubstr(":3: unknown option thread "));
  const OptionsFile wrong("threads: many\n");
  EXPECT_THAT(Mistake({"--config=" + wrong.path()}), HasSubstr(":1: option threads is \"many\""));
  const OptionsFile map("threads: {a: 1}\n");
  EXPECT_THAT(Mistake({"--config=" + map.path()}), HasSubstr("one value, or a list"));
  const OptionsFile broken("threads: [1\n");
  EXPECT_THAT(Mistake({"--config=" + broken.path()}), HasSubstr(broken.path()));
  const OptionsFile list("- threads\n");
  EXPECT_THAT(Mistake({"--config=" + list.path()}), HasSubstr("a map of options"));
}

TEST(OptionsTest, MistakesElsewhereNameTheirSource) {
  EXPECT_THAT(Mistake({"--nosuch=1"}), HasSubstr("--nosuch"));
  EXPECT_THAT(Mistake({"--threads"}), HasSubstr("needs a value"));
  EXPECT_THAT(Mistake({"fly"}), HasSubstr("unknown command fly"));
  EXPECT_THAT(Mistake({"serve", "extra"}), HasSubstr("unexpected extra"));
  EXPECT_THAT(Mistake({"--target=x"}), HasSubstr("--target"));  // of healthcheck only
  EXPECT_THAT(Mistake({}, {{"MGRAL_ROLES", "boss"}}), HasSubstr("MGRAL_ROLES"));
}

TEST(OptionsTest, ArtifactsAreListedOrPruned) {
  const auto list = Parse({"artifacts", "list", "--artifact_dir=/x"});
  ASSERT_TRUE(list.ok()) << list.status();
  EXPECT_EQ(list->command, Command::kArtifacts);
  EXPECT_FALSE(list->artifacts.prune);
  EXPECT_EQ(list->options.artifact_dir, "/x");
  const auto prune = Parse({"artifacts", "prune"});
  ASSERT_TRUE(prune.ok()) << prune.status();
  EXPECT_TRUE(prune->artifacts.prune);
  EXPECT_FALSE(prune->artifacts.dry_run);
  EXPECT_EQ(prune->artifacts.older_than, absl::Hours(24));
  const auto dry = Parse({"artifacts", "prune", "--dry-run", "--older-than=90m"});
  ASSERT_TRUE(dry.ok()) << dry.status();
  EXPECT_TRUE(dry->artifacts.dry_run);
  EXPECT_EQ(dry->artifacts.older_than, absl::Minutes(90));

  EXPECT_THAT(Mistake({"artifacts"}), HasSubstr("list or prune"));
  EXPECT_THAT(Mistake({"artifacts", "delete"}), HasSubstr("list or prune"));
  EXPECT_THAT(Mistake({"artifacts", "prune", "all"}), HasSubstr("unexpected all"));
  EXPECT_THAT(Mistake({"artifacts", "list", "--dry-run"}), HasSubstr("takes no --dry-run"));
  EXPECT_THAT(Mistake({"artifacts", "prune", "--older-than=1m"}), HasSubstr("at least 1h"));
  EXPECT_THAT(Mistake({"artifacts", "prune", "--older-than=tomorrow"}), HasSubstr("tomorrow"));
  EXPECT_THAT(Mistake({"serve", "--dry-run"}), HasSubstr("unknown option --dry-run"));
}

TEST(OptionsTest, AStrayPieceOfAnAddressIsNotShownWhole) {
  EXPECT_THAT(Mistake({"migrate", "--database", "host=h", "password=s3cret"}),
              AllOf(HasSubstr("unexpected password=..."), Not(HasSubstr("s3cret"))));
  EXPECT_THAT(Mistake({"postgresql://u:s3cret@h/db"}),
              AllOf(HasSubstr("unknown command postgresql:..."), Not(HasSubstr("s3cret"))));
}

TEST(OptionsTest, ValuesOutOfRangeAreRefused) {
  for (const char* flag :
       {"--threads=-1", "--threads=1.5", "--max_in_flight=0", "--max_image_bytes=0",
        "--max_image_bytes=64MB", "--max_image_bytes=99999GiB", "--job_lease=10", "--job_lease=-1s",
        "--job_lease=inf", "--job_lease=1ns", "--migrate=maybe", "--log_level=loud",
        "--log_format=xml", "--roles=", "--roles=api,,worker", "--uri_prefixes=file:///etc",
        "--max_image_pixels=0", "--database_connections=1"}) {
    EXPECT_FALSE(Parse({flag}).ok()) << flag;
  }
}

TEST(OptionsTest, CommandsAndTheirFlags) {
  EXPECT_EQ(Parse({"migrate", "--database=dbname=x"})->command, Command::kMigrate);
  EXPECT_EQ(Parse({"options", "--markdown"})->command, Command::kOptions);
  EXPECT_EQ(Parse({"--help"})->command, Command::kHelp);
  EXPECT_EQ(Parse({"healthcheck"})->target, "127.0.0.1:50051");
  EXPECT_EQ(Parse({"healthcheck", "--target=a:1"})->target, "a:1");
  EXPECT_EQ(Parse({"healthcheck", "--target", "a:1"})->target, "a:1");
  EXPECT_FALSE(Parse({"healthcheck"})->tls);
  EXPECT_TRUE(Parse({"healthcheck", "--tls", "--target=a:1"})->tls);
  EXPECT_TRUE(Parse({"healthcheck"}, {{"MGRAL_TLS_CERT", "c.pem"}})->tls);
  EXPECT_EQ(Parse({"key", "ci"})->key_name, "ci");
  EXPECT_EQ(Parse({"key", "ci", "--pools=a,b-*"})->key_pools, "a,b-*");
  EXPECT_THAT(Mistake({"key"}), HasSubstr("needs a name"));
  EXPECT_THAT(Mistake({"key", "a", "b"}), HasSubstr("unexpected b"));
  EXPECT_THAT(Mistake({"serve", "--tls"}), HasSubstr("--tls"));
  EXPECT_THAT(Mistake({"serve", "--pools=a"}), HasSubstr("--pools"));
}

}  // namespace
}  // namespace mgral::server
