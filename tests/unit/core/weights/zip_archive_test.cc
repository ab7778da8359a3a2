#include "server/core/weights/zip_archive.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/core/weights/tensor_files.h"

namespace mgral::core {
namespace {

using testing::HasSubstr;
using namespace testing_support;  // NOLINT

std::map<std::string, std::string> ContentsOf(const std::string& bytes) {
  InputFile file(WrittenTo("file.zip", bytes), uint64_t{1} << 20);
  std::map<std::string, std::string> contents;
  for (const auto& [name, entry] : ReadZipDirectory(&file, 100)) {
    contents[name] = file.Read(entry.offset, entry.size);
  }
  return contents;
}

std::string RefusalOfZip(const std::string& bytes) {
  return ErrorOf([&] { ContentsOf(bytes); });
}

TEST(ZipArchive, ReadsEntries) {
  const std::map<std::string, std::string> expected = {{"a/b", "one"}, {"c", ""}, {"d", "three"}};
  EXPECT_EQ(ContentsOf(Zip({{"a/b", "one"}, {"c", ""}, {"d", "three"}})), expected);
  const auto in_64 = [](const char* name, const char* bytes) {
    return ZipMember{name, bytes, 0, 0, -1, true};
  };
  EXPECT_EQ(ContentsOf(Zip({in_64("a/b", "one"), in_64("c", ""), {"d", "three"}})), expected);
  EXPECT_TRUE(ContentsOf(Zip({})).empty());
}

TEST(ZipArchive, ReadsOneWithAComment) {
  std::string bytes = Zip({{"a", "one"}});
  bytes[bytes.size() - 2] = 8;
  EXPECT_EQ(ContentsOf(bytes + "comment!").at("a"), "one");
  EXPECT_THAT(RefusalOfZip(bytes + "comment"), HasSubstr("without its directory"));
}

TEST(ZipArchive, RefusesCompressedAndEncryptedEntries) {
  EXPECT_THAT(RefusalOfZip(Zip({{"a", "one"}, {"b", "x", 8}})), HasSubstr("\"b\" is compressed"));
  EXPECT_THAT(RefusalOfZip(Zip({{"b", "x", 0, 1}})), HasSubstr("\"b\" is encrypted"));
  std::string bytes = Zip({{"b", "xyz"}});
  bytes[bytes.find("PK\x01\x02") + 24] = 100;  // once it is unpacked
  EXPECT_THAT(RefusalOfZip(bytes), HasSubstr("\"b\" is compressed"));
  bytes = Zip({{"b", "xyz"}});
  bytes[8] = 8;  // only where it lies
  EXPECT_THAT(RefusalOfZip(bytes), HasSubstr("\"b\" contradicts"));
}

TEST(ZipArchive, RefusesFalseSizes) {
  for (const int64_t size : {int64_t{4}, int64_t{1} << 31, int64_t{1} << 40}) {
    for (const bool in_64 : {false, true}) {
      if (!in_64 && size > 0xffffffff) continue;
      EXPECT_THAT(RefusalOfZip(Zip({{"a", "one", 0, 0, size, in_64}})),
                  HasSubstr("\"a\" lies outside"))
          << size;
    }
  }
  EXPECT_THAT(RefusalOfZip(Zip({{"a", "one", 0, 0, 40}, {"b", std::string(100, 'x')}})),
              HasSubstr("overlap"));
}

TEST(ZipArchive, RefusesDuplicateEntries) {
  EXPECT_THAT(RefusalOfZip(Zip({{"a", "one"}, {"a", "two"}})), HasSubstr("\"a\" occurs twice"));
  std::string bytes = Zip({{"a", "one"}, {"b", "two"}});
  const size_t second = bytes.rfind("PK\x01\x02");
  bytes.replace(second + 42, 4, Bytes<uint32_t>(0));
  EXPECT_THAT(RefusalOfZip(bytes), HasSubstr("\"b\" contradicts"));  // the first one's header
  bytes[second + 46] = 'a';
  EXPECT_THAT(RefusalOfZip(bytes), HasSubstr("\"a\" occurs twice"));
}

TEST(ZipArchive, RefusesDamagedDirectories) {
  const std::string good = Zip({{"a", "one"}});
  const size_t end = good.size() - 22;
  for (const size_t field : {size_t{12}, size_t{16}}) {  // size and offset
    std::string bytes = good;
    bytes.replace(end + field, 4, Bytes<uint32_t>(0xfffffff0));
    EXPECT_THAT(RefusalOfZip(bytes), HasSubstr("damaged")) << field;
  }
  std::string bytes = good;
  bytes.replace(end + 8, 4, "\x50\x00\x50\x00", 4);  // more entries than it has room for
  EXPECT_NE(RefusalOfZip(bytes), "no error");
  bytes.replace(end + 8, 4, "\xff\xff\xff\xff");
  EXPECT_THAT(RefusalOfZip(bytes), HasSubstr("more than 100 entries"));
  for (size_t size = 0; size < good.size(); ++size) {
    EXPECT_NE(RefusalOfZip(good.substr(0, size)), "no error") << size;
  }
  const std::string good_64 = Zip({{"a", "one", 0, 0, -1, true}});
  for (size_t at = good_64.size() - 22 - 20 - 56; at < good_64.size() - 22; ++at) {
    for (const char value : {'\x7f', '\xff'}) {
      bytes = good_64;
      bytes[at] = value;
      try {
        ContentsOf(bytes);
      } catch (const std::invalid_argument&) {
      }
    }
  }
}

}  // namespace
}  // namespace mgral::core
