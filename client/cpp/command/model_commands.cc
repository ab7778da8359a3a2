// mgral models
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/cpp/command/commands.h"
#include "client/cpp/command/text_table.h"

namespace mgral::client {
namespace {

struct ExportModelOptions {
  std::string model, out;
  bool force = false;
};

absl::Status ListModels(const std::string& pool, Session& session) {
  absl::StatusOr<Client*> client = session.client();
  if (!client.ok()) return client.status();
  v1::ListModelsRequest request;
  request.set_parent(PoolName(pool));
  absl::StatusOr<std::vector<v1::Model>> models = (*client)->ListModels(request).All();
  if (!models.ok()) return models.status();
  if (session.json) {
    Json document = {{"models", Json::array()}};
    for (const v1::Model& model : *models) document["models"].push_back(ToJson(model));
    session.PrintJson(document);
    return absl::OkStatus();
  }
  if (models->empty()) {
    session.Note(absl::StrCat("No models yet. Train one: mgral cycle start ", pool));
    return absl::OkStatus();
  }
  TextTable table(
      {"MODEL", "VERSION", "PUBLISHED", "PROFILE", "LABELS", "MAP@.5", "MAP@[.5:.95]", "CREATED"});
  for (const v1::Model& model : *models) {
    table.Add({model.name(), absl::StrCat(model.version()), model.published() ? "yes" : "",
               model.profile(), absl::StrCat(model.training_images()),
               absl::StrFormat("%.4f", model.validation().map50()),
               absl::StrFormat("%.4f", model.validation().map()),
               FormatTimestamp(model.create_time())});
  }
  table.Print(session.out());
  return absl::OkStatus();
}

absl::Status Rollback(const std::string& model, Session& session) {
  absl::StatusOr<Client*> client = session.client();
  if (!client.ok()) return client.status();
  v1::RollbackModelRequest request;
  request.set_name(model);
  absl::StatusOr<v1::Model> published = (*client)->RollbackModel(request);
  if (!published.ok()) return published.status();
  if (session.json) {
    session.PrintJson(ToJson(*published));
  } else {
    session.out() << published->name() << " is published\n";
  }
  return absl::OkStatus();
}

// The files of an exported model under temporary names, until all of them are whole.
class ModelFiles {
 public:
  explicit ModelFiles(const std::string& folder) : folder_(folder) {}
  ~ModelFiles() {
    std::error_code error;
    for (const char* name : kNames) std::filesystem::remove(Temporary(name), error);
    if (made_folder_) std::filesystem::remove(folder_, error);  // fails unless it is empty
  }

  absl::Status Open(bool force) {
    std::error_code error;
    for (const char* name : kNames) {
      if (force || !std::filesystem::exists(Final(name), error)) continue;
      return UsageError(absl::StrCat(Final(name), " is there already: --force overwrites it"));
    }
    made_folder_ = std::filesystem::create_directories(folder_, error);
    weights_.open(Temporary(kNames[0]), std::ios::binary | std::ios::trunc);
    if (weights_) return absl::OkStatus();
    return UsageError(absl::StrCat("no file can be written in ", folder_));
  }
  absl::Status AddWeights(absl::string_view piece) {
    weights_.write(piece.data(), static_cast<std::streamsize>(piece.size()));
    return weights_ ? absl::OkStatus() : Failed();
  }
  absl::Status Finish(absl::string_view description) {
    weights_.close();
    std::ofstream file(Temporary(kNames[1]), std::ios::binary | std::ios::trunc);
    file.write(description.data(), static_cast<std::streamsize>(description.size()));
    file.close();
    if (!weights_ || !file) return Failed();
    for (const char* name : kNames) {
      std::error_code error;
      std::filesystem::rename(Temporary(name), Final(name), error);
      if (error) return Failed();
    }
    return absl::OkStatus();
  }

 private:
  static constexpr const char* kNames[] = {"model.safetensors", "model.json"};

  std::string Final(const char* name) const { return absl::StrCat(folder_, "/", name); }
  std::string Temporary(const char* name) const {
    return absl::StrCat(Final(name), ".", getpid(), ".tmp");
  }
  absl::Status Failed() const {
    return absl::ResourceExhaustedError(
        absl::StrCat("cannot write in ", folder_, ": check that the disk has space"));
  }

  const std::string folder_;
  bool made_folder_ = false;
  std::ofstream weights_;
};

absl::Status ExportModelTo(const ExportModelOptions& options, Session& session) {
  ModelFiles files(options.out);
  if (absl::Status status = files.Open(options.force); !status.ok()) return status;
  absl::StatusOr<Client*> client = session.client();
  if (!client.ok()) return client.status();
  v1::ExportModelRequest request;
  request.set_model(PoolName(options.model));
  v1::ExportModelResponse header;
  std::unique_ptr<ProgressBar> bar;
  int64_t bytes = 0;
  absl::Status status =
      (*client)->ExportModel(request, [&](const v1::ExportModelResponse& response) {
        if (bar == nullptr) {
          header = response;
          bar = session.Progress("exporting", response.size_bytes(), "bytes");
        }
        bytes += static_cast<int64_t>(response.data().size());
        bar->Set(bytes);
        return files.AddWeights(response.data());
      });
  if (bar != nullptr) bar->Finish();
  if (status.ok()) status = files.Finish(header.description());
  if (!status.ok()) return status;
  if (session.json) {
    session.PrintJson({{"model", header.model()}, {"folder", options.out}, {"bytes", bytes}});
  } else {
    session.out() << "wrote " << header.model() << " to " << options.out << ": model.safetensors ("
                  << bytes << " bytes), model.json\n";
  }
  return absl::OkStatus();
}

struct ImportOptions {
  std::string pool, file;
  std::vector<std::string> class_labels;  // "cat=17"
};

absl::Status ImportFrom(const ImportOptions& options, Session& session) {
  v1::ImportWeightsRequest header;
  header.set_parent(PoolName(options.pool));
  for (const std::string& text : options.class_labels) {
    const size_t equals = text.rfind('=');
    v1::ClassLabel* label = header.add_class_labels();
    int64_t number = 0;
    if (equals == std::string::npos || !absl::SimpleAtoi(text.substr(equals + 1), &number)) {
      return UsageError(absl::StrCat("--class-label ", text, " is not CLASS=LABEL, as in cat=17"));
    }
    label->set_class_name(text.substr(0, equals));
    label->set_label(number);
  }
  absl::StatusOr<Client*> client = session.client();
  if (!client.ok()) return client.status();
  std::error_code error;
  const auto bar = session.Progress(
      "importing", static_cast<int64_t>(std::filesystem::file_size(options.file, error)), "bytes");
  absl::StatusOr<v1::ImportWeightsResponse> imported = (*client)->ImportWeights(
      std::move(header), options.file, [&bar](int64_t sent) { bar->Set(sent); });
  bar->Finish();
  if (!imported.ok()) return imported.status();
  if (session.json) {
    session.PrintJson(ToJson(*imported));
    return absl::OkStatus();
  }
  std::ostream& out = session.out();
  out << imported->model().name() << (imported->model().published() ? " is published" : "") << ": "
      << imported->taken_count() << " tensors taken, " << imported->left_count()
      << " as where a training begins, " << imported->unused_count() << " of the file not used\n";
  for (const std::string& name : imported->left()) out << "  begins anew: " << name << "\n";
  for (const std::string& name : imported->unused()) out << "  not used: " << name << "\n";
  return absl::OkStatus();
}

void AddImport(CLI::App* models, CLI::Option* listed, Session& session) {
  auto options = std::make_shared<ImportOptions>();
  auto* command = models->add_subcommand(
      "import", "Take weights that were trained elsewhere: safetensors, or PyTorch's .pth");
  command->excludes(listed);
  command->footer("Example:\n  mgral models import cells resnet18-f37072fd.pth");
  command->add_option("pool", options->pool, "The pool's name")->required();
  command->add_option("file", options->file, "The file")->required()->check(CLI::ExistingFile);
  command
      ->add_option("--class-label", options->class_labels,
                   "Label that the file's detector gives a class of the pool; may be repeated")
      ->type_name("CLASS=LABEL");
  command->callback([options, &session] { session.Finish(ImportFrom(*options, session)); });
}

}  // namespace

void AddModelCommands(CLI::App& app, Session& session) {
  auto pool = std::make_shared<std::string>();
  auto* models = app.add_subcommand(
      "models", "List a pool's trained detectors, newest first; export, import or publish one");
  models->footer("Example:\n  mgral models cells");
  auto* listed = models->add_option("pool", *pool, "The pool's name");
  // Runs after the callback of a subcommand, too.
  models->callback([pool, models, &session] {
    const bool list = models->get_subcommands().empty();
    if (list && pool->empty()) throw CLI::RequiredError("pool");
    if (list) session.Finish(ListModels(*pool, session));
  });

  auto exported = std::make_shared<ExportModelOptions>();
  auto* command = models->add_subcommand(
      "export", "Write a model as a safetensors file and a JSON description");
  command->excludes(listed);
  command->footer("Example:\n  mgral models export pools/cells/models/2 --out detector");
  command
      ->add_option("model", exported->model,
                   "pools/POOL/models/MODEL, or a pool for its published model")
      ->required();
  command
      ->add_option("--out", exported->out,
                   "Folder for model.safetensors and model.json; made if it is not there")
      ->required()
      ->type_name("FOLDER");
  command->add_flag("--force", exported->force, "Overwrite the files");
  command->callback([exported, &session] { session.Finish(ExportModelTo(*exported, session)); });

  AddImport(models, listed, session);
  auto model = std::make_shared<std::string>();
  auto* rollback = models->add_subcommand(
      "rollback", "Publish the model again that the published one has replaced");
  rollback->excludes(listed);
  rollback->footer("Example:\n  mgral models rollback pools/cells/models/2");
  rollback->add_option("model", *model, "pools/POOL/models/MODEL")->required();
  rollback->callback([model, &session] { session.Finish(Rollback(*model, session)); });
}

}  // namespace mgral::client
