#include "server/main/options.h"

#include <yaml-cpp/yaml.h>

#include <map>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace mgral::server {
namespace {

const OptionSpec* FindOption(const std::string& name) {
  for (const OptionSpec& option : OptionList()) {
    if (option.name == name) return &option;
  }
  return nullptr;
}

absl::Status Set(const OptionSpec& option, const std::string& value, const std::string& source,
                 Options* options) {
  const std::string problem = option.set(value, options);
  if (problem.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(source, ": option ", option.name, " is \"", value, "\": ", problem));
}

// A scalar as it stands, a sequence joined by commas.
absl::StatusOr<std::string> ValueOf(const YAML::Node& node) {
  if (node.IsNull()) return std::string();
  if (node.IsScalar()) return node.Scalar();
  std::vector<std::string> parts;
  if (!node.IsSequence()) return absl::InvalidArgumentError("must be one value, or a list");
  for (const YAML::Node& part : node) {
    if (!part.IsScalar()) return absl::InvalidArgumentError("must be one value, or a list");
    parts.push_back(part.Scalar());
  }
  return absl::StrJoin(parts, ",");
}

absl::Status ReadFile(const std::string& path, Options* options) {
  try {
    const YAML::Node file = YAML::LoadFile(path);
    if (file.IsNull()) return absl::OkStatus();
    if (!file.IsMap()) {
      return absl::InvalidArgumentError(absl::StrCat(path, ": must be a map of options"));
    }
    for (const auto& entry : file) {
      const std::string name = entry.first.as<std::string>();
      const std::string source = absl::StrCat(path, ":", entry.first.Mark().line + 1);
      const OptionSpec* option = FindOption(name);
      if (option == nullptr) {
        return absl::InvalidArgumentError(
            absl::StrCat(source, ": unknown option ", name, " (mgral-server --help lists them)"));
      }
      const auto value = ValueOf(entry.second);
      if (!value.ok()) {
        return absl::InvalidArgumentError(
            absl::StrCat(source, ": option ", name, " ", value.status().message()));
      }
      const absl::Status set = Set(*option, *value, source, options);
      if (!set.ok()) return set;
    }
  } catch (const YAML::BadFile&) {
    return absl::InvalidArgumentError(absl::StrCat("cannot read the options file ", path));
  } catch (const YAML::Exception& error) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": ", error.what()));
  }
  return absl::OkStatus();
}

// The command line, taken apart but not yet judged.
struct Arguments {
  Command command = Command::kServe;
  std::string config;
  std::string operand;                     // the word after the command, of key and artifacts
  std::map<std::string, std::string> own;  // flags of that command alone
  std::vector<std::pair<std::string, std::string>> flags;
};

// A word that stands where none should may be the tail of `database`, unquoted, with its password:
// "password=...", "postgresql:...".
std::string ShownWord(const std::string& word) {
  const size_t end = word.find_first_of("=:/@");
  return end == std::string::npos ? word : absl::StrCat(word.substr(0, end + 1), "...");
}

absl::StatusOr<Command> CommandNamed(const std::string& word) {
  static const auto* commands = new std::map<std::string, Command>{
      {"serve", Command::kServe},     {"migrate", Command::kMigrate},
      {"options", Command::kOptions}, {"healthcheck", Command::kHealthcheck},
      {"key", Command::kKey},         {"artifacts", Command::kArtifacts},
      {"help", Command::kHelp},       {"version", Command::kVersion}};
  const auto found = commands->find(word);
  if (found != commands->end()) return found->second;
  return absl::InvalidArgumentError(
      absl::StrCat("unknown command ", ShownWord(word), " (mgral-server --help lists them)"));
}

absl::Status TakeWord(const std::string& word, bool first, Arguments* arguments) {
  if (first) {
    const auto command = CommandNamed(word);
    if (command.ok()) arguments->command = *command;
    return command.status();
  }
  const bool takes_word =
      arguments->command == Command::kKey || arguments->command == Command::kArtifacts;
  if (!takes_word || !arguments->operand.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("unexpected ", ShownWord(word)));
  }
  arguments->operand = word;
  return absl::OkStatus();
}

// Flags without a value, and those with one, that only this command takes.
bool IsSwitch(Command command, const std::string& name) {
  return (name == "markdown" && command == Command::kOptions) ||
         (name == "tls" && command == Command::kHealthcheck) ||
         (name == "dry-run" && command == Command::kArtifacts);
}
bool IsOwn(Command command, const std::string& name) {
  return (name == "target" && command == Command::kHealthcheck) ||
         (name == "pools" && command == Command::kKey) ||
         (name == "older-than" && command == Command::kArtifacts);
}

absl::StatusOr<Arguments> TakeApart(const std::vector<std::string>& words) {
  Arguments arguments;
  for (size_t i = 0; i < words.size(); ++i) {
    absl::string_view word = words[i];
    if (!absl::ConsumePrefix(&word, "--")) {
      const absl::Status taken = TakeWord(words[i], i == 0, &arguments);
      if (!taken.ok()) return taken;
      continue;
    }
    const std::pair<std::string, std::string> halves =
        absl::StrSplit(word, absl::MaxSplits('=', 1));
    const std::string& name = halves.first;
    if (name == "help" || name == "version") {
      arguments.command = name == "help" ? Command::kHelp : Command::kVersion;
      continue;
    }
    if (IsSwitch(arguments.command, name)) {
      arguments.own[name] = "true";
      continue;
    }
    const bool own = IsOwn(arguments.command, name);
    if (!own && name != "config" && FindOption(name) == nullptr) {
      return absl::InvalidArgumentError(
          absl::StrCat("unknown option --", name, " (mgral-server --help lists them)"));
    }
    std::string value = halves.second;
    if (!absl::StrContains(word, '=')) {
      if (i + 1 == words.size()) {
        return absl::InvalidArgumentError(absl::StrCat("--", name, " needs a value"));
      }
      value = words[++i];
    }
    if (own) {
      arguments.own[name] = value;
    } else if (name == "config") {
      arguments.config = value;
    } else {
      arguments.flags.emplace_back(name, value);
    }
  }
  if (arguments.command == Command::kKey && arguments.operand.empty()) {
    return absl::InvalidArgumentError("key needs a name: mgral-server key NAME [--pools=POOLS]");
  }
  return arguments;
}

std::string VariableName(const std::string& option) {
  return absl::StrCat("MGRAL_", absl::AsciiStrToUpper(option));
}

}  // namespace

absl::StatusOr<CommandLine> ParseCommandLine(
    const std::vector<std::string>& words,
    const std::function<const char*(const std::string&)>& environment) {
  auto arguments = TakeApart(words);
  if (!arguments.ok()) return arguments.status();
  CommandLine line;
  line.command = arguments->command;
  for (const OptionSpec& option : OptionList()) {
    const absl::Status set = Set(option, option.default_value, "default", &line.options);
    if (!set.ok()) return set;
  }
  if (arguments->config.empty()) {
    const char* config = environment(VariableName("config"));
    if (config != nullptr) arguments->config = config;
  }
  if (!arguments->config.empty()) {
    const absl::Status read = ReadFile(arguments->config, &line.options);
    if (!read.ok()) return read;
  }
  for (const OptionSpec& option : OptionList()) {
    const std::string variable = VariableName(option.name);
    const char* value = environment(variable);
    if (value == nullptr) continue;
    const absl::Status set = Set(option, value, variable, &line.options);
    if (!set.ok()) return set;
  }
  for (const auto& [name, value] : arguments->flags) {
    const absl::Status set = Set(*FindOption(name), value, "--" + name, &line.options);
    if (!set.ok()) return set;
  }
  if (line.command == Command::kArtifacts) {
    const auto artifacts = ReadArtifactsArguments(arguments->operand, arguments->own);
    if (!artifacts.ok()) return artifacts.status();
    line.artifacts = *artifacts;
  }
  line.target = arguments->own["target"].empty() ? line.options.listen : arguments->own["target"];
  line.tls = !arguments->own["tls"].empty() || !line.options.tls_cert.empty();
  line.key_name = arguments->operand;
  line.key_pools = arguments->own["pools"];
  return line;
}

std::string OptionsAsMarkdown() {
  std::string text = "| option | default | meaning |\n|---|---|---|\n";
  for (const OptionSpec& option : OptionList()) {
    const std::string shown =
        option.default_value.empty() ? "" : absl::StrCat("`", option.default_value, "`");
    absl::StrAppend(&text, "| `", option.name, "` | ", shown, " | ", option.help, " |\n");
  }
  return text;
}

std::string HelpText() {
  std::string text =
      "mgral-server tells you which images to label next.\n\n"
      "  mgral-server [serve] [options]             serve until SIGTERM\n"
      "  mgral-server migrate [options]             bring the database to this schema, and end\n"
      "  mgral-server healthcheck [--target=HOST:PORT] [--tls]\n"
      "        exit 0 if that server serves; with TLS (also where tls_cert is set) it takes any\n"
      "        certificate, and shows tls_cert with tls_key to a server that asks for one\n"
      "  mgral-server key NAME [--pools=POOLS]      make an API key: the key on standard output, "
      "its\n"
      "        line for the file api_keys on standard error; POOLS are ids of pools, or "
      "beginnings\n"
      "        of them that end in *, separated by commas\n"
      "  mgral-server artifacts list                the files in artifact_dir, and what needs "
      "them\n"
      "  mgral-server artifacts prune [--dry-run] [--older-than=24h]\n"
      "        delete the files that nothing needs, unless they were stored more recently; safe "
      "while\n"
      "        servers run\n"
      "  mgral-server options --markdown            the options as a table\n"
      "  mgral-server version\n\n"
      "Options, as --name=value, as environment variable MGRAL_NAME, or as a key of the YAML file\n"
      "named by --config=FILE; a flag counts more than the environment, that more than the "
      "file:\n\n";
  for (const OptionSpec& option : OptionList()) {
    absl::StrAppend(&text, "  --", option.name, "=", option.default_value, "\n        ",
                    option.help, "\n");
  }
  absl::StrAppend(
      &text,
      "\nExit status: 0 all went well, 1 the server failed, 2 an option is wrong, 3 the "
      "database\ncannot be used.\n");
  return text;
}

}  // namespace mgral::server
