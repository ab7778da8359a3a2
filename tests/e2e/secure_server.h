#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tests/e2e/api.h"
#include "tests/support/certificates.h"

namespace mgral::test {

// A folder of small files, which goes with it.
class TestFolder {
 public:
  TestFolder();
  ~TestFolder();
  std::string Path(const std::string& name) const { return folder_ + "/" + name; }
  // Whole or not at all, as an operator should; returns the path.
  std::string Write(const std::string& name, const std::string& content) const;

 private:
  std::string folder_;
};

// A key, and the line that lets it in.
struct TestKey {
  std::string key, line;
};
TestKey MakeKey(const std::string& name, const std::string& pools = "");

// Tests of servers of their own, on the database of the program.
class SecureServerTest : public ApiTest {
 protected:
  // A server with these flags besides those of ApiTest.
  static std::unique_ptr<ServerProcess> Start(const std::vector<std::string>& flags);
  // What it says when it does not start.
  static ProgramResult FailToStart(const std::vector<std::string>& flags);
  // Again and again until it is so; fails the test after half a minute.
  static void WaitUntil(const std::string& what, const std::function<bool()>& so);

  TestFolder folder_;
};

// Calls any method ("mgral.v1.PoolService/GetPool") with one message, of whatever kind it is, and
// reads what comes; `key` is sent unless it is empty.
grpc::Status CallAny(const std::shared_ptr<grpc::Channel>& channel, const std::string& method,
                     const std::string& message, const std::string& key);

// A connection of its own. An empty authority is plain text.
std::shared_ptr<grpc::Channel> Connect(const std::string& target, const std::string& authority,
                                       const Identity& identity = {});

}  // namespace mgral::test
