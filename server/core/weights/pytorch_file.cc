#include "server/core/weights/pytorch_file.h"

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "server/core/bytes.h"
#include "server/core/weights/pickle.h"
#include "server/core/weights/state_dict.h"
#include "server/core/weights/zip_archive.h"

namespace mgral::core {
namespace {

constexpr uint64_t kMaxPickleBytes = uint64_t{16} << 20;

// Where the elements of a storage lie in the file.
using Offsets = std::map<std::string, uint64_t>;

at::Tensor Materialize(const at::Tensor& elements, const StateDict::View& view, bool shared) {
  at::Tensor tensor = elements.as_strided(view.shape, view.strides, view.offset);
  const bool whole = tensor.numel() == elements.numel() && tensor.is_contiguous();
  return whole && !shared ? tensor : tensor.clone(at::MemoryFormat::Contiguous);
}

// One storage after another: beside the tensors there is never more than one in memory.
NamedTensors ReadTensors(InputFile* file, const StateDict& dict, const Offsets& offsets,
                         const TensorLimits& limits) {
  std::map<std::string, std::vector<std::string>> users;
  for (const auto& [name, view] : dict.tensors) users[view.storage].push_back(name);
  NamedTensors tensors;
  for (const auto& [key, names] : users) {
    const StateDict::Storage& storage = dict.storages.at(key);
    const at::Tensor elements =
        file->ReadElements("storage " + Quoted(key), offsets.at(key), storage.type, storage.count);
    for (const std::string& name : names) {
      at::Tensor tensor = Materialize(elements, dict.tensors.at(name), names.size() > 1);
      if (limits.refuse_non_finite) CheckFinite(name, tensor);
      tensors.emplace(name, std::move(tensor));
    }
  }
  return tensors;
}

// "folder/data.pkl" is the pickle, "folder/data/KEY" are the storages.
NamedTensors ReadZip(InputFile* file, const TensorLimits& limits) {
  constexpr size_t kOtherEntries = 100;
  const auto entries = ReadZipDirectory(file, limits.max_tensors + kOtherEntries);
  static constexpr std::string_view kPickle = "/data.pkl";
  std::string folder;
  for (const auto& [name, entry] : entries) {
    const size_t slash = name.find('/');
    if (slash == std::string::npos || name.substr(slash) != kPickle) continue;
    if (!folder.empty()) throw std::invalid_argument("holds two pickles");
    folder = name.substr(0, slash + 1);
  }
  if (folder.empty())
    throw std::invalid_argument("not a PyTorch file: a ZIP archive without data.pkl");
  const auto order = entries.find(folder + "byteorder");
  if (order != entries.end() &&
      file->Read(order->second.offset, std::min<uint64_t>(order->second.size, 16)) != "little") {
    throw std::invalid_argument("not of a little-endian machine");
  }
  const ZipEntry& pickled = entries.at(folder + "data.pkl");
  if (pickled.size > kMaxPickleBytes) throw std::invalid_argument("its pickle is too large");
  const std::string bytes = file->Read(pickled.offset, pickled.size);
  const StateDict dict = ReadStateDict(ReadPickle(bytes), limits);
  Offsets offsets;
  for (const auto& [key, storage] : dict.storages) {
    const auto entry = entries.find(folder + "data/" + key);
    if (entry == entries.end()) throw std::invalid_argument("lacks storage " + Quoted(key));
    const uint64_t size = c10::elementSize(storage.type);
    if (entry->second.size % size != 0 ||
        entry->second.size / size != static_cast<uint64_t>(storage.count)) {
      throw std::invalid_argument("storage " + Quoted(key) + " has " +
                                  std::to_string(entry->second.size) + " bytes, not " +
                                  std::to_string(storage.count) + " elements");
    }
    offsets[key] = entry->second.offset;
  }
  return ReadTensors(file, dict, offsets, limits);
}

// Of the older format: pickles one after another.
class PickleSequence {
 public:
  explicit PickleSequence(std::string_view bytes) : bytes_(bytes) {}
  Pickle Next() {
    Pickle pickle = ReadPickle(bytes_.substr(size_));
    size_ += pickle.size;
    return pickle;
  }
  uint64_t size() const { return size_; }

 private:
  std::string_view bytes_;
  uint64_t size_ = 0;
};

bool IsInteger(const Pickle::Node& node, int64_t number) {
  return node.kind == Pickle::Kind::kInteger && node.number == number;
}

// The magic number, the protocol, and {"little_endian": True, ...}.
void CheckLegacyStart(PickleSequence* pickles) {
  static constexpr std::string_view kMagic = "\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";
  const Pickle magic = pickles->Next();
  if (magic.at(magic.root).kind != Pickle::Kind::kLong || magic.at(magic.root).text != kMagic) {
    throw std::invalid_argument("not a PyTorch file");
  }
  const Pickle protocol = pickles->Next();
  if (!IsInteger(protocol.at(protocol.root), 1001)) {
    throw std::invalid_argument("of an unknown version of PyTorch");
  }
  const Pickle system = pickles->Next();
  const std::vector<uint32_t>& items = system.at(system.root).items;
  for (size_t i = 0; i + 1 < items.size(); i += 2) {
    if (system.at(items[i]).text == "little_endian" && !IsInteger(system.at(items[i + 1]), 1)) {
      throw std::invalid_argument("not of a little-endian machine");
    }
  }
}

// Behind the pickles: each storage's number of elements and the elements, in the order of `keys`.
Offsets LocateStorages(InputFile* file, uint64_t offset, const Pickle& keys,
                       const StateDict& dict) {
  Offsets offsets;
  for (const uint32_t item : keys.at(keys.root).items) {
    const std::string key(keys.at(item).text);
    const auto storage = dict.storages.find(key);
    if (storage == dict.storages.end()) {
      throw std::invalid_argument("storage " + Quoted(key) + " is of an unknown type");
    }
    const int64_t count = ByteReader(file->Read(offset, 8)).Get<int64_t>();
    offset += 8;
    const uint64_t size = c10::elementSize(storage->second.type);
    if (count != storage->second.count || !offsets.emplace(key, offset).second) {
      throw std::invalid_argument("storage " + Quoted(key) + " is not what the pickle says");
    }
    if (static_cast<uint64_t>(count) > (file->size() - offset) / size) {
      throw std::invalid_argument("cut short in storage " + Quoted(key));
    }
    offset += static_cast<uint64_t>(count) * size;
  }
  if (offset != file->size()) throw std::invalid_argument("bytes follow the last storage");
  for (const auto& [key, storage] : dict.storages) {
    if (offsets.count(key) == 0) throw std::invalid_argument("lacks storage " + Quoted(key));
  }
  return offsets;
}

NamedTensors ReadLegacy(InputFile* file, const TensorLimits& limits) {
  const std::string bytes = file->Read(0, std::min(file->size(), kMaxPickleBytes));
  PickleSequence pickles(bytes);
  CheckLegacyStart(&pickles);
  const StateDict dict = ReadStateDict(pickles.Next(), limits);
  const Pickle keys = pickles.Next();
  return ReadTensors(file, dict, LocateStorages(file, pickles.size(), keys, dict), limits);
}

}  // namespace

NamedTensors ReadPytorchFile(const std::string& path, const TensorLimits& limits) {
  return NamingFile(path, [&] {
    InputFile file(path, limits.max_file_bytes);
    const std::string start = file.Read(0, std::min<uint64_t>(file.size(), 4));
    if (start == "PK\x03\x04") return ReadZip(&file, limits);
    if (start.substr(0, 1) == "\x80") return ReadLegacy(&file, limits);
    throw std::invalid_argument("not a PyTorch file");
  });
}

}  // namespace mgral::core
