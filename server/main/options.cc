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
#include "server/base/status_macros.h"

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

// A scalar as written, a sequence joined by commas.
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
      MGRAL_RETURN_IF_ERROR(Set(*option, *value, source, options));
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

// A word in an unexpected place may be the tail of `database`, unquoted, with its password:
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
      MGRAL_RETURN_IF_ERROR(TakeWord(words[i], i == 0, &arguments));
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
  MGRAL_ASSIGN_OR_RETURN(auto arguments, TakeApart(words));
  CommandLine line;
  line.command = arguments.command;
  for (const OptionSpec& option : OptionList()) {
    MGRAL_RETURN_IF_ERROR(Set(option, option.default_value, "default", &line.options));
  }
  if (arguments.config.empty()) {
    const char* config = environment(VariableName("config"));
    if (config != nullptr) arguments.config = config;
  }
  if (!arguments.config.empty()) {
    MGRAL_RETURN_IF_ERROR(ReadFile(arguments.config, &line.options));
  }
  for (const OptionSpec& option : OptionList()) {
    const std::string variable = VariableName(option.name);
    const char* value = environment(variable);
    if (value == nullptr) continue;
    MGRAL_RETURN_IF_ERROR(Set(option, value, variable, &line.options));
  }
  for (const auto& [name, value] : arguments.flags) {
    MGRAL_RETURN_IF_ERROR(Set(*FindOption(name), value, "--" + name, &line.options));
  }
  if (line.command == Command::kArtifacts) {
    MGRAL_ASSIGN_OR_RETURN(line.artifacts,
                           ReadArtifactsArguments(arguments.operand, arguments.own));
  }
  line.target = arguments.own["target"].empty() ? line.options.listen : arguments.own["target"];
  line.tls = !arguments.own["tls"].empty() || !line.options.tls_cert.empty();
  line.key_name = arguments.operand;
  line.key_pools = arguments.own["pools"];
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
      "  mgral-server migrate [options]             migrate the database schema, and exit\n"
      "  mgral-server healthcheck [--target=HOST:PORT] [--tls]\n"
      "        exit 0 if that server is healthy; with TLS (also where tls_cert is set) it takes "
      "any\n"
      "        certificate, and shows tls_cert with tls_key to a server that asks for one\n"
      "  mgral-server key NAME [--pools=POOLS]      make an API key: the key on standard output, "
      "its\n"
      "        line for the file api_keys on standard error; POOLS are pool ids, or "
      "prefixes\n"
      "        followed by *, separated by commas\n"
      "  mgral-server artifacts list                the files in artifact_dir, and what needs "
      "them\n"
      "  mgral-server artifacts prune [--dry-run] [--older-than=24h]\n"
      "        delete the files that nothing needs, unless they were stored more recently; safe "
      "while\n"
      "        servers run\n"
      "  mgral-server options --markdown            the options as a table\n"
      "  mgral-server version\n\n"
      "Options, as --name=value, as environment variable MGRAL_NAME, or as a key of the YAML file\n"
      "named by --config=FILE; flags override the environment, which overrides the file:"
      "\n\n";
  for (const OptionSpec& option : OptionList()) {
    absl::StrAppend(&text, "  --", option.name, "=", option.default_value, "\n        ",
                    option.help, "\n");
  }
  absl::StrAppend(
      &text,
      "\nExit status: 0 success, 1 the server failed, 2 invalid options, 3 the database is "
      "unusable.\n");
  return text;
}

}  // namespace mgral::server
