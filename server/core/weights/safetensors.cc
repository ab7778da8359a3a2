#include "server/core/weights/safetensors.h"

#include <algorithm>
#include <fstream>
#include <limits>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "server/core/bytes.h"
#include "server/core/weights/safetensors_header.h"

namespace mgral::core {
namespace {

// The format allows 100 MB; 20,000 tensors need two.
constexpr uint64_t kMaxHeaderBytes = uint64_t{8} << 20;

// Of what is written: the memory that it already takes.
constexpr uint64_t kAny = std::numeric_limits<uint64_t>::max();

using Entry = std::pair<const std::string, SafetensorsEntry>;

// In the order of their data, which must be the whole of `data_bytes`, without holes or overlaps.
std::vector<const Entry*> CheckEntries(const SafetensorsHeader& header, uint64_t data_bytes,
                                       const TensorLimits& limits) {
  TensorBudget budget(limits);
  std::vector<const Entry*> entries;
  for (const Entry& entry : header.tensors) {
    const auto& [name, tensor] = entry;
    const uint64_t bytes = budget.Take(name, tensor.shape, tensor.type);
    if (tensor.end < tensor.begin || tensor.end - tensor.begin != bytes) {
      throw std::invalid_argument("tensor " + Quoted(name) + " needs " + std::to_string(bytes) +
                                  " bytes; its data_offsets are " + std::to_string(tensor.begin) +
                                  " and " + std::to_string(tensor.end));
    }
    entries.push_back(&entry);
  }
  std::sort(entries.begin(), entries.end(), [](const Entry* a, const Entry* b) {
    return std::tie(a->second.begin, a->second.end) < std::tie(b->second.begin, b->second.end);
  });
  uint64_t end = 0;
  for (const Entry* entry : entries) {
    if (entry->second.begin != end) {
      throw std::invalid_argument("the data of tensor " + Quoted(entry->first) +
                                  (entry->second.begin < end ? " overlap" : " do not follow") +
                                  " those before");
    }
    end = entry->second.end;
    if (end > data_bytes) {
      throw std::invalid_argument("cut short: tensor " + Quoted(entry->first) + " ends after it");
    }
  }
  if (end < data_bytes) throw std::invalid_argument("bytes follow the last tensor");
  return entries;
}

Safetensors Read(InputFile* file, const TensorLimits& limits) {
  const uint64_t header_bytes = ByteReader(file->Read(0, 8)).Get<uint64_t>();
  if (header_bytes > kMaxHeaderBytes) {
    throw std::invalid_argument("not a safetensors file, or its header is larger than " +
                                std::to_string(kMaxHeaderBytes) + " bytes");
  }
  const uint64_t start = 8 + header_bytes;
  SafetensorsHeader header = ParseSafetensorsHeader(file->Read(8, header_bytes));
  Safetensors read;
  for (const Entry* entry : CheckEntries(header, file->size() - start, limits)) {
    const auto& [name, tensor] = *entry;
    const auto count =
        static_cast<int64_t>((tensor.end - tensor.begin) / c10::elementSize(tensor.type));
    at::Tensor values =
        file->ReadElements("tensor " + Quoted(name), start + tensor.begin, tensor.type, count)
            .view(tensor.shape);
    if (limits.refuse_non_finite) CheckFinite(name, values);
    read.tensors.emplace(name, std::move(values));
  }
  read.metadata = std::move(header.metadata);
  return read;
}

SafetensorsEntry Describe(const std::string& name, const at::Tensor& tensor) {
  const std::vector<ElementType>& types = ElementTypes();
  if (std::none_of(types.begin(), types.end(),
                   [&](const ElementType& known) { return known.type == tensor.scalar_type(); })) {
    throw std::invalid_argument("tensor " + Quoted(name) + " has elements of type " +
                                c10::toString(tensor.scalar_type()) +
                                ", which safetensors files do not have");
  }
  if (name == kSafetensorsMetadata) {
    throw std::invalid_argument("a tensor cannot be called " + Quoted(name));
  }
  return {tensor.scalar_type(), tensor.sizes().vec(), 0, 0};
}

}  // namespace

Safetensors ReadSafetensors(const std::string& path, const TensorLimits& limits) {
  return NamingFile(path, [&] {
    InputFile file(path, limits.max_file_bytes);
    return Read(&file, limits);
  });
}

bool IsSafetensors(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  char start[9] = {};
  in.read(start, sizeof start);
  const uint64_t header_bytes = ByteReader({start, 8}).Get<uint64_t>();
  return in && header_bytes <= kMaxHeaderBytes && start[8] == '{';
}

void WriteSafetensors(const std::string& path, const Safetensors& file) {
  SafetensorsHeader header;
  header.metadata = file.metadata;
  NamedTensors contiguous;
  std::vector<std::string_view> pieces(1);
  NamingFile(path, [&] {
    TensorBudget budget({kAny, kAny, kAny, false});
    for (const auto& [name, tensor] : file.tensors) {
      header.tensors[name] = Describe(name, tensor);
      budget.Take(name, header.tensors[name].shape, tensor.scalar_type());
      contiguous[name] = tensor.detach().cpu().contiguous();
    }
  });
  // Large elements first: every tensor is then aligned, as the data's start is.
  std::vector<std::pair<const std::string, at::Tensor>*> ordered;
  for (auto& entry : contiguous) ordered.push_back(&entry);
  std::stable_sort(ordered.begin(), ordered.end(), [](const auto* a, const auto* b) {
    return a->second.element_size() > b->second.element_size();
  });
  uint64_t end = 0;
  for (const auto* entry : ordered) {
    const at::Tensor& tensor = entry->second;
    SafetensorsEntry& described = header.tensors[entry->first];
    described.begin = end;
    described.end = end += tensor.nbytes();
    pieces.emplace_back(static_cast<const char*>(tensor.data_ptr()), tensor.nbytes());
  }
  const std::string text = NamingFile(path, [&] {
    std::string json = FormatSafetensorsHeader(header);
    if (json.size() > kMaxHeaderBytes) throw std::invalid_argument("too many names and texts");
    return json;
  });
  ByteWriter start;
  start.Put<uint64_t>(text.size());
  const std::string head = start.Take() + text;
  pieces[0] = head;
  WriteFile(path, pieces);
}

}  // namespace mgral::core
