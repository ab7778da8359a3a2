#include "server/core/weights/zip_archive.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "server/core/bytes.h"

namespace mgral::core {
namespace {

constexpr uint32_t kLocalHeader = 0x04034b50, kCentralHeader = 0x02014b50;
constexpr uint32_t kEnd = 0x06054b50, kEnd64 = 0x06064b50, kEnd64Locator = 0x07064b50;
constexpr uint64_t kLocalBytes = 30, kEndBytes = 22, kEnd64Bytes = 56, kLocatorBytes = 20;
constexpr uint64_t kMaxComment = 0xffff;
constexpr uint64_t kMaxDirectoryBytes = uint64_t{16} << 20;
constexpr uint16_t kZip64Extra = 1;
constexpr uint32_t kIn64 = 0xffffffff;  // a number that the ZIP64 field holds

[[noreturn]] void Damaged() { throw std::invalid_argument("a damaged ZIP archive"); }

struct Directory {
  uint64_t entries = 0;
  uint64_t offset = 0;
  uint64_t size = 0;
};

// The end record is the last whose comment ends with the file.
uint64_t FindEnd(InputFile* file) {
  const uint64_t tail_bytes = std::min(file->size(), kEndBytes + kMaxComment);
  const uint64_t start = file->size() - tail_bytes;
  const std::string tail = file->Read(start, tail_bytes);
  for (uint64_t i = tail_bytes + 1 - std::min(tail_bytes + 1, kEndBytes); i-- > 0;) {
    if (ByteReader(std::string_view(tail).substr(i)).Get<uint32_t>() != kEnd) continue;
    const auto comment = ByteReader(std::string_view(tail).substr(i + 20)).Get<uint16_t>();
    if (i + kEndBytes + comment == tail_bytes) return start + i;
  }
  throw std::invalid_argument("cut short: a ZIP archive without its directory");
}

Directory ReadEnd64(InputFile* file, uint64_t locator_offset) {
  const std::string locator_bytes = file->Read(locator_offset, kLocatorBytes);
  ByteReader locator(std::string_view(locator_bytes).substr(8));
  const uint64_t offset = locator.Get<uint64_t>();
  if (offset > locator_offset || locator_offset - offset < kEnd64Bytes) Damaged();
  const std::string end_bytes = file->Read(offset, kEnd64Bytes);
  if (ByteReader(end_bytes).Get<uint32_t>() != kEnd64) Damaged();
  ByteReader end(std::string_view(end_bytes).substr(24));
  const uint64_t here = end.Get<uint64_t>();
  Directory directory;
  directory.entries = end.Get<uint64_t>();
  directory.size = end.Get<uint64_t>();
  directory.offset = end.Get<uint64_t>();
  if (here != directory.entries || directory.offset > offset ||
      directory.size > offset - directory.offset) {
    Damaged();
  }
  return directory;
}

Directory FindDirectory(InputFile* file) {
  const uint64_t end_offset = FindEnd(file);
  if (end_offset >= kLocatorBytes) {
    const std::string locator = file->Read(end_offset - kLocatorBytes, 4);
    if (ByteReader(locator).Get<uint32_t>() == kEnd64Locator) {
      return ReadEnd64(file, end_offset - kLocatorBytes);
    }
  }
  const std::string bytes = file->Read(end_offset + 4, 16);
  ByteReader end(bytes);
  const auto disk = end.Get<uint16_t>(), start_disk = end.Get<uint16_t>();
  const auto here = end.Get<uint16_t>();
  Directory directory;
  directory.entries = end.Get<uint16_t>();
  directory.size = end.Get<uint32_t>();
  directory.offset = end.Get<uint32_t>();
  if (disk != 0 || start_disk != 0 || here != directory.entries || directory.offset > end_offset ||
      directory.size > end_offset - directory.offset) {
    Damaged();
  }
  return directory;
}

struct CentralEntry {
  std::string name;
  uint64_t compressed = 0, size = 0, header = 0;
};

// Numbers that did not fit their 32 bits stand here instead, in this order.
void ReadZip64Extra(std::string_view extra, CentralEntry* entry) {
  ByteReader reader(extra);
  for (size_t left = extra.size(); left >= 4;) {
    const auto id = reader.Get<uint16_t>();
    const auto bytes = reader.Get<uint16_t>();
    left -= 4;
    if (bytes > left) Damaged();
    if (id == kZip64Extra) {
      for (uint64_t* number : {&entry->size, &entry->compressed, &entry->header}) {
        if (*number == kIn64) *number = reader.Get<uint64_t>();
      }
      return;
    }
    for (uint16_t i = 0; i < bytes; ++i) reader.Get<char>();
    left -= bytes;
  }
}

// The next entry of the directory, which begins at *at.
CentralEntry ReadCentralEntry(std::string_view directory, size_t* at) {
  ByteReader reader(directory.substr(*at));
  if (reader.Get<uint32_t>() != kCentralHeader) Damaged();
  reader.Get<uint32_t>();  // versions
  const auto flags = reader.Get<uint16_t>(), method = reader.Get<uint16_t>();
  reader.Get<uint32_t>();  // time
  reader.Get<uint32_t>();  // checksum
  CentralEntry entry;
  entry.compressed = reader.Get<uint32_t>();
  entry.size = reader.Get<uint32_t>();
  const auto name = reader.Get<uint16_t>(), extra = reader.Get<uint16_t>(),
             comment = reader.Get<uint16_t>();
  reader.Get<uint64_t>();  // disk, attributes
  entry.header = reader.Get<uint32_t>();
  constexpr size_t kHeaderBytes = 46;
  const size_t texts = size_t{name} + extra + comment;
  if (directory.size() - *at < kHeaderBytes + texts) Damaged();
  entry.name = directory.substr(*at + kHeaderBytes, name);
  ReadZip64Extra(directory.substr(*at + kHeaderBytes + name, extra), &entry);
  *at += kHeaderBytes + texts;
  if ((flags & 1) != 0)
    throw std::invalid_argument("entry " + Quoted(entry.name) + " is encrypted");
  if (method != 0 || entry.compressed != entry.size) {
    throw std::invalid_argument("entry " + Quoted(entry.name) +
                                " is compressed; PyTorch stores them as they are");
  }
  return entry;
}

// Behind the local header, which repeats the name and has extra fields of its own.
ZipEntry Locate(InputFile* file, const CentralEntry& entry, uint64_t end) {
  const auto out_of_bounds = [&entry] {
    throw std::invalid_argument("entry " + Quoted(entry.name) + " lies outside the archive");
  };
  if (entry.header > end || end - entry.header < kLocalBytes + entry.name.size()) out_of_bounds();
  const std::string bytes = file->Read(entry.header, kLocalBytes + entry.name.size());
  ByteReader reader(bytes);
  if (reader.Get<uint32_t>() != kLocalHeader) Damaged();
  reader.Get<uint32_t>();  // version, flags
  const auto method = reader.Get<uint16_t>();
  ByteReader lengths(std::string_view(bytes).substr(26));
  const auto name = lengths.Get<uint16_t>(), extra = lengths.Get<uint16_t>();
  if (method != 0 || bytes.substr(kLocalBytes) != entry.name || name != entry.name.size()) {
    throw std::invalid_argument("entry " + Quoted(entry.name) + " contradicts the directory");
  }
  const uint64_t offset = entry.header + kLocalBytes + name + extra;
  if (offset > end || entry.size > end - offset) out_of_bounds();
  return {offset, entry.size};
}

}  // namespace

std::map<std::string, ZipEntry> ReadZipDirectory(InputFile* file, size_t max_entries) {
  const Directory directory = FindDirectory(file);
  if (directory.entries > max_entries || directory.size > kMaxDirectoryBytes) {
    throw std::invalid_argument("a ZIP archive of more than " + std::to_string(max_entries) +
                                " entries");
  }
  const std::string bytes = file->Read(directory.offset, directory.size);
  std::map<std::string, ZipEntry> entries;
  std::vector<std::pair<uint64_t, uint64_t>> ranges;  // with their local headers
  size_t at = 0;
  for (uint64_t i = 0; i < directory.entries; ++i) {
    const CentralEntry entry = ReadCentralEntry(bytes, &at);
    const ZipEntry located = Locate(file, entry, directory.offset);
    ranges.emplace_back(entry.header, located.offset + located.size);
    if (!entries.emplace(entry.name, located).second) {
      throw std::invalid_argument("entry " + Quoted(entry.name) + " occurs twice");
    }
  }
  if (at != bytes.size()) Damaged();
  std::sort(ranges.begin(), ranges.end());
  for (size_t i = 1; i < ranges.size(); ++i) {
    if (ranges[i].first < ranges[i - 1].second) {
      throw std::invalid_argument("entries of the ZIP archive overlap");
    }
  }
  return entries;
}

}  // namespace mgral::core
