#include "client/cpp/lib/npy_file.h"

#include <limits>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/client/temporary_folder.h"

namespace mgral::client {
namespace {

using testing::HasSubstr;

class NpyFileTest : public testing::Test {
 protected:
  static std::string Dictionary(const std::string& type, const std::string& shape,
                                const std::string& order = "False") {
    return "{'descr': '" + type + "', 'fortran_order': " + order + ", 'shape': " + shape + ", }";
  }
  // Padded as numpy does.
  static std::string File(std::string header, const std::string& numbers, char version = 1) {
    const size_t start = version == 1 ? 10 : 12;
    while ((start + header.size() + 1) % 64 != 0) header += ' ';
    header += '\n';
    std::string file("\x93NUMPY");
    file += {version, '\0', static_cast<char>(header.size() & 255),
             static_cast<char>(header.size() >> 8)};
    if (version != 1) file += std::string(2, '\0');
    return file + header + numbers;
  }
  template <typename Number>
  static std::string Bytes(const std::vector<Number>& numbers) {
    return std::string(reinterpret_cast<const char*>(numbers.data()),
                       numbers.size() * sizeof(Number));
  }
  absl::StatusOr<NpyMatrix> Read(const std::string& content) {
    return NpyMatrix::Read(folder_.Write("e.npy", content));
  }
  std::string Error(const std::string& content) {
    const auto matrix = Read(content);
    EXPECT_FALSE(matrix.ok());
    EXPECT_THAT(std::string(matrix.status().message()), HasSubstr(folder_.path("e.npy") + ": "));
    return std::string(matrix.status().message());
  }

  TemporaryFolder folder_;
};

TEST_F(NpyFileTest, ReadsFloatsOfAllSizes) {
  for (const char version : {1, 2, 3}) {
    const auto matrix = Read(
        File(Dictionary("<f4", "(3, 2)"), Bytes<float>({0, 1.5, -2, 3e-8f, 3e38f, 6}), version));
    ASSERT_TRUE(matrix.ok()) << matrix.status();
    EXPECT_EQ(matrix->rows(), 3);
    EXPECT_EQ(matrix->columns(), 2);
    EXPECT_EQ(matrix->at(0, 1), 1.5f);
    EXPECT_EQ(matrix->at(1, 1), 3e-8f);
    EXPECT_EQ(matrix->at(2, 0), 3e38f);
  }
  const auto wide = Read(File(Dictionary("<f8", "(1, 2)"), Bytes<double>({0.1, -1e-300})));
  ASSERT_TRUE(wide.ok()) << wide.status();
  EXPECT_EQ(wide->at(0, 0), 0.1f);
  EXPECT_EQ(wide->at(0, 1), 0);
  // 1, -2, the largest, the smallest normal, the smallest of all, -0
  const auto half = Read(File(Dictionary("<f2", "(2, 3)"),
                              Bytes<uint16_t>({0x3c00, 0xc000, 0x7bff, 0x0400, 0x0001, 0x8000})));
  ASSERT_TRUE(half.ok()) << half.status();
  EXPECT_EQ(half->at(0, 0), 1);
  EXPECT_EQ(half->at(0, 1), -2);
  EXPECT_EQ(half->at(0, 2), 65504);
  EXPECT_EQ(half->at(1, 0), 0x1p-14f);
  EXPECT_EQ(half->at(1, 1), 0x1p-24f);
  EXPECT_EQ(half->at(1, 2), 0);
}

TEST_F(NpyFileTest, OtherArraysAreRefusedByWhatTheyAre) {
  for (const char* type : {"<i8", "|O", ">f4", "|u1", "<f16", "<U5"}) {
    EXPECT_THAT(Error(File(Dictionary(type, "(1, 2)"), std::string(16, '\0'))),
                HasSubstr(std::string("its numbers are '") + type));
  }
  for (const char* shape : {"(2,)", "()", "(1, 2, 1)", "(2, 0)", "(99999999999, 2)",
                            "(9999999999, 9999999999)", "(2147483648, 2147483648)"}) {
    EXPECT_THAT(Error(File(Dictionary("<f4", shape), Bytes<float>({1, 2}))),
                HasSubstr("its shape is " + std::string(shape)));
  }
  EXPECT_THAT(Error(File(Dictionary("<f4", "(1, 2)", "True"), Bytes<float>({1, 2}))),
              HasSubstr("Fortran order"));
  for (const std::string& header :
       {std::string("{}"), std::string(), std::string(9000, '('),
        std::string(1, '\0') + Dictionary("<f4", "(1, 2)"), Dictionary("<f4", "(-1, 2)"),
        Dictionary("<f4", "(1, 2") + std::string(5000, ',')}) {
    EXPECT_THAT(Error(File(header, Bytes<float>({1, 2}))), HasSubstr("its header is not numpy's"));
  }
}

TEST_F(NpyFileTest, FilesThatAreCutShortOrLieAreRefused) {
  const std::string whole = File(Dictionary("<f4", "(2, 2)"), Bytes<float>({1, 2, 3, 4}));
  for (size_t size = 0; size < whole.size(); ++size) Error(whole.substr(0, size));
  EXPECT_THAT(Error(whole.substr(0, whole.size() - 1)), HasSubstr("its 2 x 2 numbers of 4 bytes"));
  EXPECT_THAT(Error(whole + "x"), HasSubstr("17 bytes"));
  EXPECT_THAT(Error(whole.substr(0, 50)), HasSubstr("is cut short"));
  EXPECT_THAT(Error("PK\x03\x04"), HasSubstr("is not a .npy file"));
  EXPECT_THAT(Error(std::string("\x93NUMPY\x02\x00\xff\xff\xff\xff", 12) + std::string(99, ' ')),
              HasSubstr("its header of 4294967295 bytes is too long"));
  EXPECT_THAT(std::string(NpyMatrix::Read(folder_.path("no.npy")).status().message()),
              HasSubstr("there is no such file"));
}

TEST_F(NpyFileTest, NumbersThatAreNotFiniteAreNamed) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THAT(Error(File(Dictionary("<f4", "(2, 2)"), Bytes<float>({1, 2, 3, nan}))),
              HasSubstr("[1, 1] is not a finite number"));
  EXPECT_THAT(Error(File(Dictionary("<f8", "(2, 2)"), Bytes<double>({1, 2, -1e39, 4}))),
              HasSubstr("[1, 0] is not a finite number"));
  for (const uint16_t bits : {0x7c00, 0xfc00, 0x7e00}) {
    EXPECT_THAT(Error(File(Dictionary("<f2", "(1, 2)"), Bytes<uint16_t>({0, bits}))),
                HasSubstr("[0, 1] is not a finite number"));
  }
}

}  // namespace
}  // namespace mgral::client
