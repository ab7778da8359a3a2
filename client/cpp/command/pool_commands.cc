// mgral pool create|list|show|delete
#include <unistd.h>

#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "client/cpp/command/commands.h"
#include "client/cpp/command/text_table.h"
#include "client/cpp/lib/dataset.h"
#include "server/domain/strategy.h"

namespace mgral::client {
namespace {

struct CreateOptions {
  v1::CreatePoolRequest request;
  std::vector<std::string> classes;
  std::string coco, voc;
};

std::string RandomShareText(const v1::SelectionSettings& selection) {
  const auto strategy = domain::StrategyNamed(selection.strategy());
  if (!strategy || !domain::InfoOf(*strategy).needs_table) return "";  // it has no effect
  return absl::StrFormat(", %g %% at random", 100 * selection.uniform_share());
}

std::string CostText(const v1::SelectionSettings& selection) {
  if (selection.seconds_per_image() == 0 && selection.seconds_per_box() == 0) {
    return "an image counts as much as two boxes";
  }
  return absl::StrFormat("%g s per image, %g s per box", selection.seconds_per_image(),
                         selection.seconds_per_box());
}

void PrintPool(const v1::Pool& pool, std::ostream& out) {
  const v1::PoolCounts& counts = pool.counts();
  const v1::DetectorSettings& detector = pool.detector();
  out << pool.name();
  if (!pool.display_name().empty()) out << "  (" << pool.display_name() << ")";
  out << "\n  classes    " << absl::StrJoin(pool.classes(), ", ") << "\n  images     "
      << counts.unlabeled() << " unlabeled, " << counts.leased() << " leased, " << counts.labeled()
      << " labeled, " << counts.rejected() << " rejected\n             " << counts.training()
      << " for training, " << counts.validation() << " for validation\n  detector   "
      << detector.profile() << (detector.trunk().empty() ? "" : " on ") << detector.trunk()
      << (detector.warm_start() ? ", warm start" : "") << "\n  selection  "
      << pool.selection().strategy() << ", batches of " << pool.selection().batch_size()
      << RandomShareText(pool.selection()) << ", seed " << pool.selection().seed()
      << "\n  cost       " << CostText(pool.selection()) << "\n  model      "
      << (pool.published_model().empty() ? "none yet: start a cycle" : pool.published_model())
      << "\n  boxes      "
      << (pool.image_orientation() == v1::IMAGE_ORIENTATION_STORED
              ? "of images as stored, without their EXIF orientation"
              : "of images turned as their EXIF orientation says")
      << "\n  created    " << FormatTimestamp(pool.create_time()) << "\n";
}

absl::Status ReportPool(const absl::StatusOr<v1::Pool>& pool, Session& session) {
  if (!pool.ok()) return pool.status();
  if (session.json) {
    session.PrintJson(ToJson(*pool));
  } else {
    PrintPool(*pool, session.out());
  }
  return absl::OkStatus();
}

// The class list: given, or a dataset's own.
absl::Status FillClasses(CreateOptions* options) {
  std::vector<std::string> classes = options->classes;
  if (classes.empty()) {
    if (options->coco.empty() && options->voc.empty()) {
      return UsageError("a pool needs classes: give --classes, --coco, or --voc");
    }
    ReadOptions read;
    read.require_files = false;
    read.any_file_name = true;
    read.voc_corners = VocCorners::kFromOne;  // boxes are not looked at
    absl::StatusOr<Dataset> dataset =
        options->coco.empty() ? ReadVoc(options->voc, read) : ReadCoco(options->coco, "", read);
    if (!dataset.ok()) return UsageError(std::string(dataset.status().message()));
    classes = dataset->classes;
  }
  for (const std::string& name : classes) options->request.mutable_pool()->add_classes(name);
  return absl::OkStatus();
}

absl::Status Create(CreateOptions* options, Session& session) {
  if (absl::Status status = FillClasses(options); !status.ok()) return status;
  absl::StatusOr<Client*> client = session.client();
  if (!client.ok()) return client.status();
  return ReportPool((*client)->CreatePool(options->request), session);
}

absl::Status ListPools(Session& session) {
  absl::StatusOr<Client*> client = session.client();
  if (!client.ok()) return client.status();
  absl::StatusOr<std::vector<v1::Pool>> pools = (*client)->ListPools().All();
  if (!pools.ok()) return pools.status();
  if (session.json) {
    Json document = {{"pools", Json::array()}};
    for (const v1::Pool& pool : *pools) document["pools"].push_back(ToJson(pool));
    session.PrintJson(document);
    return absl::OkStatus();
  }
  if (pools->empty()) {
    session.Note("There are no pools yet. Create one: mgral pool create NAME --classes cat,dog");
    return absl::OkStatus();
  }
  TextTable table({"POOL", "CLASSES", "UNLABELED", "LEASED", "LABELED", "REJECTED", "MODEL"});
  for (const v1::Pool& pool : *pools) {
    const v1::PoolCounts& counts = pool.counts();
    table.Add({pool.name(), absl::StrCat(pool.classes_size()), absl::StrCat(counts.unlabeled()),
               absl::StrCat(counts.leased()), absl::StrCat(counts.labeled()),
               absl::StrCat(counts.rejected()),
               pool.published_model().empty() ? "-" : pool.published_model()});
  }
  table.Print(session.out());
  return absl::OkStatus();
}

absl::Status Show(const std::string& pool, Session& session) {
  absl::StatusOr<Client*> client = session.client();
  if (!client.ok()) return client.status();
  return ReportPool((*client)->GetPool(PoolName(pool)), session);
}

// Asks only on a terminal: scripts have said what they want.
bool Confirmed(const std::string& name, Session& session) {
  if (isatty(STDIN_FILENO) == 0) return true;
  session.Note(absl::StrCat("This deletes ", name, " with its images, labels, cycles, and models. ",
                            "Type yes to continue (--yes skips this question):"));
  std::string answer;
  return std::getline(std::cin, answer) && answer == "yes";
}

absl::Status Delete(const std::string& pool, bool force, bool yes, Session& session) {
  absl::StatusOr<Client*> client = session.client();
  if (!client.ok()) return client.status();
  const std::string name = PoolName(pool);
  if (!yes && !Confirmed(name, session)) return UsageError("nothing was deleted");
  const absl::Status status = (*client)->DeletePool(name, force);
  if (!status.ok()) return status;
  if (session.json) {
    session.PrintJson({{"deleted", name}});
  } else {
    session.out() << "deleted " << name << "\n";
  }
  return absl::OkStatus();
}

// Their ranges are checked by the server.
void AddCosts(CLI::App* command, const std::shared_ptr<CreateOptions>& options) {
  v1::SelectionSettings* selection = options->request.mutable_pool()->mutable_selection();
  command->add_option_function<double>(
      "--seconds-per-image",
      [options, selection](double v) { selection->set_seconds_per_image(v); },
      "Seconds that labeling takes per image, besides its boxes (default, if neither is given: an "
      "image counts as much as two boxes)");
  command->add_option_function<double>(
      "--seconds-per-box", [options, selection](double v) { selection->set_seconds_per_box(v); },
      "Seconds that labeling takes per box");
  command->add_option_function<double>(
      "--uniform-share", [options, selection](double v) { selection->set_uniform_share(v); },
      "Share of each batch of mgral, lookup_greedy, or lookup_shuffled drawn at random (default: "
      "0.15)");
}

// Of how the pool works, each with a default.
void AddSettings(CLI::App* command, const std::shared_ptr<CreateOptions>& options) {
  v1::Pool* pool = options->request.mutable_pool();
  v1::DetectorSettings* detector = pool->mutable_detector();
  v1::SelectionSettings* selection = pool->mutable_selection();
  const auto number = [&](const char* flag, auto setter, const char* help) {
    command->add_option_function<int32_t>(flag, setter, help)->check(CLI::NonNegativeNumber);
  };
  command->add_option_function<std::string>(
      "--profile", [options, detector](const std::string& v) { detector->set_profile(v); },
      "The detector and its training: frozen (needs the server's pretrained weights), micro, tiny, "
      "small, base, large, last-stage, full, faster-rcnn, ssd300, or external for a detector of "
      "your own (default: frozen, or tiny where there are no weights)");
  command->add_option_function<std::string>(
      "--trunk", [options, detector](const std::string& v) { detector->set_trunk(v); },
      "Another backbone for small, base, large, full, or faster-rcnn: resnet18, resnet34, "
      "resnet50, resnet101, mobilenet_v3_large, or vgg16 (default: the profile's)");
  command->add_flag_callback(
      "--warm-start", [options, detector] { detector->set_warm_start(true); },
      "Start each training from the previous cycle's weights");
  number(
      "--training-steps", [options, detector](int32_t v) { detector->set_training_steps(v); },
      "Training steps per cycle (default: the profile's)");
  number(
      "--input-size", [options, detector](int32_t v) { detector->set_input_size(v); },
      "Longest side of the detector's input in pixels (default: the profile's)");
  command
      ->add_option_function<std::string>(
          "--image-orientation",
          [options, pool](const std::string& v) {
            pool->set_image_orientation(v == "stored" ? v1::IMAGE_ORIENTATION_STORED
                                                      : v1::IMAGE_ORIENTATION_EXIF);
          },
          "exif: images, and the frame of their boxes, are turned as EXIF says; stored: they are "
          "not (default: exif)")
      ->check(CLI::IsMember({"exif", "stored"}));
  command->add_option_function<std::string>(
      "--strategy", [options, selection](const std::string& v) { selection->set_strategy(v); },
      absl::StrCat("One of ", domain::SelectableStrategies(), " (default: mgral)"));
  number(
      "--batch-size", [options, selection](int32_t v) { selection->set_batch_size(v); },
      "Images to label between two cycles (default: 20)");
  number(
      "--probes", [options, selection](int32_t v) { selection->set_probes(v); },
      "Has no effect: cycles make replay probes only");
  command->add_option_function<int32_t>(
      "--replay-probes", [options, selection](int32_t v) { selection->set_replay_probes(v); },
      "Replay probes per cycle; -1: none (default: the profile's)");
  command->add_option_function<double>(
      "--probe-seconds", [options, selection](double v) { selection->set_probe_seconds(v); },
      "Seconds that all workers spend on replay probes per cycle, instead of --replay-probes");
  command->add_option_function<int64_t>(
      "--seed", [options, selection](int64_t v) { selection->set_seed(v); },
      "Seed of all random choices");
  AddCosts(command, options);
}

void AddCreate(CLI::App& pool, Session& session) {
  auto* command = pool.add_subcommand("create", "Create a pool");
  command->footer("Example:\n  mgral pool create cells --classes RBC,WBC,Platelets");
  auto options = std::make_shared<CreateOptions>();
  command
      ->add_option_function<std::string>(
          "name", [options](const std::string& v) { options->request.set_pool_id(v); },
          "The pool's name: a-z, 0-9, and -, starting with a letter")
      ->required();
  auto* classes =
      command->add_option("--classes", options->classes, "Class names, separated by commas")
          ->delimiter(',')
          ->allow_extra_args(false);
  auto* coco = command->add_option("--coco", options->coco, "Use the classes of this COCO file");
  auto* voc = command->add_option("--voc", options->voc, "Use the classes of this VOC folder");
  classes->excludes(coco)->excludes(voc);
  coco->excludes(voc);
  command->add_option_function<std::string>(
      "--display-name",
      [options](const std::string& v) { options->request.mutable_pool()->set_display_name(v); },
      "A title for display");
  AddSettings(command, options);
  command->callback([options, &session] { session.Finish(Create(options.get(), session)); });
}

}  // namespace

void AddPoolCommands(CLI::App& app, Session& session) {
  auto* pool = app.add_subcommand("pool", "Create, list, show, and delete pools");
  pool->require_subcommand(1);
  pool->footer("Help for one of them: mgral pool create --help");
  AddCreate(*pool, session);

  auto* list = pool->add_subcommand("list", "List all pools with their image counts by state");
  list->footer("Example:\n  mgral pool list");
  list->callback([&session] { session.Finish(ListPools(session)); });

  auto name = std::make_shared<std::string>();
  auto* show =
      pool->add_subcommand("show", "Show a pool: classes, image counts by state, settings, model");
  show->footer("Example:\n  mgral pool show cells");
  show->add_option("pool", *name, "The pool's name")->required();
  show->callback([name, &session] { session.Finish(Show(*name, session)); });

  auto* remove = pool->add_subcommand("delete", "Delete a pool and everything in it");
  remove->footer("Example:\n  mgral pool delete cells --yes");
  auto force = std::make_shared<bool>(false), yes = std::make_shared<bool>(false);
  remove->add_option("pool", *name, "The pool's name")->required();
  remove->add_flag("--force", *force, "Delete even while a cycle runs");
  remove->add_flag("--yes", *yes, "Do not ask for confirmation");
  remove->callback(
      [name, force, yes, &session] { session.Finish(Delete(*name, *force, *yes, session)); });
}

}  // namespace mgral::client
