#pragma once

#include <grpcpp/grpcpp.h>
#include <sys/types.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace mgral::test {

// A program that ran to its end.
struct ProgramResult {
  int status = 0;      // what it exited with; 128 + signal when it was killed
  std::string output;  // standard output and standard error together
};
// Runs mgral-server and waits for it. MGRAL_* variables are those given, no others.
ProgramResult RunServerProgram(const std::vector<std::string>& arguments,
                               const std::map<std::string, std::string>& environment = {});

// The real mgral-server, on ports that the kernel chose. It dies with the thread that started it,
// also when the test program is killed. A server that doesn't come up aborts the test program,
// with its log.
class ServerProcess {
 public:
  struct Options {
    std::vector<std::string> flags;  // e.g. "--database=...", "--roles=api"
    std::map<std::string, std::string> environment;
  };
  explicit ServerProcess(const Options& options);
  ~ServerProcess();  // kills it if it still runs
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;

  const std::string& target() const { return target_; }  // "127.0.0.1:PORT"
  int metrics_port() const { return metrics_port_; }
  // A connection of its own for every call.
  std::shared_ptr<grpc::Channel> NewChannel() const;

  pid_t pid() const { return pid_; }
  bool Running();
  void Kill9();
  // SIGTERM; returns what it exits with (128 + signal when it was killed). Kill9s it after a
  // minute.
  int Terminate();
  void Signal(int signal);
  // Waits for its end without a signal; as Terminate.
  int Wait();
  // Standard output and standard error so far.
  std::string log() const;

 private:
  void WaitForPorts();

  std::string folder_;
  pid_t pid_ = -1;
  int status_ = -1;  // once it has ended
  std::string target_;
  int metrics_port_ = 0;
};

}  // namespace mgral::test
