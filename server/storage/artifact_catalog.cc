#include "server/storage/artifact_catalog.h"

#include <unordered_set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "server/base/errors.h"
#include "server/storage/artifact_folder.h"
#include "server/storage/artifact_references.h"
#include "server/storage/disk_artifact_store.h"
#include "server/storage/folder_mark.h"
#include "server/storage/transaction.h"

namespace mgral::storage {
namespace {

// Every run of 64 lower-case hexadecimal digits: what the JSON manifests of before migration 003
// name.
std::vector<std::string> HashesIn(const std::string& text) {
  std::vector<std::string> hashes;
  size_t begin = 0;
  for (size_t i = 0; i <= text.size(); ++i) {
    const bool digit =
        i < text.size() && (absl::ascii_isdigit(text[i]) || (text[i] >= 'a' && text[i] <= 'f'));
    if (digit) continue;
    if (i - begin == kSha256Digits) hashes.push_back(text.substr(begin, kSha256Digits));
    begin = i + 1;
  }
  return hashes;
}

std::string OwnerText(const ArtifactOwners& owners) {
  if (owners.owners == 1) return owners.resource;
  return absl::StrCat(owners.resource, " and ", owners.owners - 1, " more");
}

}  // namespace

ArtifactCatalog::ArtifactCatalog(ConnectionPool& connections, std::string root)
    : connections_(connections), root_(std::move(root)) {}

absl::Status ArtifactCatalog::CompleteReferences() {
  const auto snapshots =
      InTransaction(connections_, Access::kRead,
                    [](pqxx::work& tx) -> absl::StatusOr<std::vector<IncompleteSnapshot>> {
                      return IncompleteSnapshots(tx);
                    });
  if (!snapshots.ok()) return snapshots.status();
  DiskArtifactStore artifacts(root_);
  for (const IncompleteSnapshot& snapshot : *snapshots) {
    std::vector<std::string> named;
    if (!snapshot.manifest_sha256.empty()) {
      const auto manifest = artifacts.Get(snapshot.manifest_sha256);
      if (!manifest.ok()) {
        return base::FailedPrecondition(
            "UNKNOWN_REFERENCES",
            absl::StrCat("what the published snapshot of pools/", snapshot.pool_id,
                         " needs is not known, as its manifest cannot be read (",
                         manifest.status().message(),
                         "): restore that file from a backup, or delete the pool"));
      }
      named = HashesIn(*manifest);
    }
    const absl::Status completed = InTransaction(connections_, Access::kWrite, [&](pqxx::work& tx) {
      CompleteSnapshot(tx, snapshot, named);
      return absl::OkStatus();
    });
    if (!completed.ok()) return completed;
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<ArtifactCatalog::Entry>> ArtifactCatalog::List() {
  const absl::Status complete = CompleteReferences();
  if (!complete.ok()) return complete;
  // Owners first: what they need was stored before they said so.
  const auto owners =
      InTransaction(connections_, Access::kRead,
                    [](pqxx::work& tx) -> absl::StatusOr<std::vector<ArtifactOwners>> {
                      return OwnersOfArtifacts(tx);
                    });
  if (!owners.ok()) return owners.status();
  const auto files = ListObjects(root_);
  if (!files.ok()) return files.status();

  // Both lists are in the order of the hash.
  std::vector<Entry> entries;
  auto owner = owners->begin();
  const auto add_owners = [&](Entry* entry) {
    for (; owner != owners->end() && owner->sha256 == entry->sha256; ++owner) {
      entry->owners.push_back(OwnerText(*owner));
    }
  };
  const auto add_missing_before = [&](const std::string* sha256) {
    while (owner != owners->end() && (sha256 == nullptr || owner->sha256 < *sha256)) {
      Entry entry;
      entry.sha256 = owner->sha256;
      entry.missing = true;
      add_owners(&entry);
      entries.push_back(std::move(entry));
    }
  };
  for (const StoredFile& file : *files) {
    add_missing_before(&file.name);
    Entry entry{file.name, file.bytes, file.modified, {}, false};
    add_owners(&entry);
    entries.push_back(std::move(entry));
  }
  add_missing_before(nullptr);
  return entries;
}

absl::StatusOr<ArtifactCatalog::Pruned> ArtifactCatalog::Prune(absl::Duration older_than,
                                                               bool dry_run) {
  const absl::Time before = absl::Now() - older_than;
  const absl::Status complete = CompleteReferences();
  if (!complete.ok()) return complete;
  // Files first: what is stored after that is not in the list.
  const auto files = ListObjects(root_);
  if (!files.ok()) return files.status();
  const auto temporaries = ListTemporaries(root_);
  if (!temporaries.ok()) return temporaries.status();
  const absl::Status ours = CheckArtifactFolder(connections_, root_);
  if (!ours.ok()) return ours;
  const auto list = InTransaction(connections_, Access::kRead,
                                  [](pqxx::work& tx) -> absl::StatusOr<std::vector<std::string>> {
                                    return NeededArtifacts(tx);
                                  });
  if (!list.ok()) return list.status();
  const std::unordered_set<std::string> needed(list->begin(), list->end());

  std::vector<const StoredFile*> unneeded;
  for (const StoredFile& file : *files) {
    if (needed.count(file.name) == 0) unneeded.push_back(&file);
  }
  Pruned pruned;
  for (const StoredFile* file : unneeded) {
    const absl::StatusOr<bool> removed =
        dry_run ? file->modified < before : RemoveStoredFile(root_, *file, before);
    if (!removed.ok()) return removed.status();
    if (*removed) pruned.artifacts.push_back({file->name, file->bytes, file->modified, {}, false});
  }
  for (const StoredFile& file : *temporaries) {
    const absl::StatusOr<bool> removed =
        dry_run ? file.modified < before : RemoveStoredFile(root_, file, before);
    if (!removed.ok()) return removed.status();
    if (!*removed) continue;
    ++pruned.temporary_files;
    pruned.temporary_bytes += file.bytes;
  }
  return pruned;
}

}  // namespace mgral::storage
