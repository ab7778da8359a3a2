#include "tests/support/server_process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

extern char** environ;

namespace mgral::test {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::seconds kStartTimeout(60);
constexpr std::chrono::seconds kStopTimeout(60);
constexpr std::chrono::milliseconds kPause(5);

std::string Program() {
  const char* given = getenv("MGRAL_SERVER_BINARY");
  return given != nullptr ? given : MGRAL_SERVER_BINARY;
}

std::string ReadWhole(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::string MakeFolder() {
  std::string name = (std::filesystem::temp_directory_path() / "mgral-server-XXXXXX").string();
  if (mkdtemp(&name[0]) == nullptr) {
    perror("mkdtemp");
    abort();
  }
  return name;
}

pid_t Spawn(const std::vector<std::string>& arguments,
            const std::map<std::string, std::string>& environment, const std::string& log) {
  const std::string program = Program();
  std::vector<std::string> variables;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    if (std::string(*variable).rfind("MGRAL_", 0) != 0) variables.push_back(*variable);
  }
  for (const auto& [name, value] : environment) variables.push_back(name + "=" + value);
  std::vector<char*> argv = {const_cast<char*>(program.c_str())};
  for (const std::string& one : arguments) argv.push_back(const_cast<char*>(one.c_str()));
  argv.push_back(nullptr);
  std::vector<char*> envp;
  for (const std::string& one : variables) envp.push_back(const_cast<char*>(one.c_str()));
  envp.push_back(nullptr);
  const int file = open(log.c_str(), O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
  const pid_t pid = fork();
  if (pid == 0) {  // only what is allowed between fork and exec
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(file, STDOUT_FILENO);
    dup2(file, STDERR_FILENO);
    execve(argv[0], argv.data(), envp.data());
    _exit(127);
  }
  close(file);
  if (pid < 0) {
    perror("fork");
    abort();
  }
  return pid;
}

int ToStatus(int wait_status) {
  return WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : 128 + WTERMSIG(wait_status);
}

}  // namespace

ProgramResult RunServerProgram(const std::vector<std::string>& arguments,
                               const std::map<std::string, std::string>& environment) {
  const std::string folder = MakeFolder();
  const std::string log = folder + "/log";
  const pid_t pid = Spawn(arguments, environment, log);
  int status = 0;
  waitpid(pid, &status, 0);
  ProgramResult result{ToStatus(status), ReadWhole(log)};
  std::filesystem::remove_all(folder);
  return result;
}

ServerProcess::ServerProcess(const Options& options) : folder_(MakeFolder()) {
  std::vector<std::string> arguments = {"--listen=127.0.0.1:0", "--metrics_listen=127.0.0.1:0",
                                        "--port_file=" + folder_ + "/ports",
                                        "--artifact_dir=" + folder_ + "/artifacts"};
  // What is given later counts.
  arguments.insert(arguments.end(), options.flags.begin(), options.flags.end());
  pid_ = Spawn(arguments, options.environment, folder_ + "/log");
  WaitForPorts();
}

void ServerProcess::WaitForPorts() {
  const auto deadline = Clock::now() + kStartTimeout;
  while (!std::filesystem::exists(folder_ + "/ports")) {
    if (!Running() || Clock::now() > deadline) {
      fprintf(stderr, "mgral-server did not come up:\n%s\n", log().c_str());
      Kill9();
      abort();
    }
    std::this_thread::sleep_for(kPause);
  }
  std::ifstream ports(folder_ + "/ports");
  std::string name;
  int port = 0;
  while (ports >> name >> port) {
    if (name == "grpc") target_ = "127.0.0.1:" + std::to_string(port);
    if (name == "metrics") metrics_port_ = port;
  }
}

ServerProcess::~ServerProcess() {
  Kill9();
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

std::shared_ptr<grpc::Channel> ServerProcess::NewChannel() const {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetMaxReceiveMessageSize(-1);
  return grpc::CreateCustomChannel(target_, grpc::InsecureChannelCredentials(), arguments);
}

bool ServerProcess::Running() {
  int status = 0;
  if (status_ < 0 && waitpid(pid_, &status, WNOHANG) == pid_) status_ = ToStatus(status);
  return status_ < 0;
}

void ServerProcess::Signal(int signal) {
  if (Running()) kill(pid_, signal);
}

void ServerProcess::Kill9() {
  if (!Running()) return;
  kill(pid_, SIGKILL);
  Wait();
}

int ServerProcess::Terminate() {
  Signal(SIGTERM);
  return Wait();
}

int ServerProcess::Wait() {
  const auto deadline = Clock::now() + kStopTimeout;
  while (Running()) {
    if (Clock::now() > deadline) kill(pid_, SIGKILL);
    std::this_thread::sleep_for(kPause);
  }
  return status_;
}

std::string ServerProcess::log() const { return ReadWhole(folder_ + "/log"); }

}  // namespace mgral::test
