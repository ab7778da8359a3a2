#include "tests/support/postgres.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <libpq-fe.h>
#include <netinet/in.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>
#include <vector>

#include "server/storage/migrations.h"

namespace mgral::test {
namespace {

namespace fs = std::filesystem;
constexpr char kTemplate[] = "mgral_template";
constexpr char kPrefix[] = "mgral-postgres-";

[[noreturn]] void Die(const std::string& message) {
  std::fprintf(stderr, "test database: %s\n", message.c_str());
  std::abort();
}

std::string BinFolder() {
  if (const char* given = std::getenv("MGRAL_POSTGRES_BIN")) return given;
  std::vector<std::string> found;
  for (const char* root : {"/usr/lib/postgresql", "/usr/pgsql", "/usr/local/pgsql"}) {
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(root, error)) {
      if (fs::exists(entry.path() / "bin/postgres")) found.push_back(entry.path() / "bin");
    }
    if (fs::exists(std::string(root) + "/bin/postgres"))
      found.push_back(std::string(root) + "/bin");
  }
  if (found.empty()) Die("PostgreSQL is not installed (looked in /usr/lib/postgresql/*/bin)");
  return *std::max_element(found.begin(), found.end());
}

int FreePort() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  if (bind(fd, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    Die("no free port");
  }
  close(fd);
  return ntohs(address.sin_port);
}

// The user that PostgreSQL runs as: it refuses root.
const passwd* ServerUser() {
  if (geteuid() != 0) return nullptr;
  const passwd* const user = getpwnam("postgres");
  if (user == nullptr) Die("there is no user \"postgres\" to run PostgreSQL as");
  return user;
}

// Starts a program as the server's user, output to `log`. It gets `death_signal` when the thread
// that started it ends.
pid_t Spawn(const std::vector<std::string>& command, const std::string& log, int death_signal) {
  std::vector<char*> arguments;
  for (const std::string& argument : command) {
    arguments.push_back(const_cast<char*>(argument.c_str()));
  }
  arguments.push_back(nullptr);
  const passwd* const user = ServerUser();
  const uid_t uid = user == nullptr ? geteuid() : user->pw_uid;
  const gid_t gid = user == nullptr ? getegid() : user->pw_gid;
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid != 0) return pid;
  // Only async-signal-safe calls from here on: the parent may have threads.
  const int out = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0666);
  dup2(open("/dev/null", O_RDONLY), 0);
  dup2(out, 1);
  dup2(out, 2);
  if (user != nullptr && (setgroups(0, nullptr) != 0 || setgid(gid) != 0 || setuid(uid) != 0)) {
    _exit(126);
  }
  if (chdir("/") != 0) _exit(126);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  prctl(PR_SET_PDEATHSIG, death_signal);
  if (getppid() != parent) _exit(126);
  execv(arguments[0], arguments.data());
  _exit(127);
}

std::string ReadFile(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

std::vector<pid_t> ChildrenOf(pid_t parent) {
  std::vector<pid_t> children;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator("/proc", error)) {
    const pid_t pid = std::atoi(entry.path().filename().c_str());
    if (pid <= 0) continue;
    const std::string stat = ReadFile(entry.path() / "stat");
    const size_t end = stat.rfind(')');
    if (end == std::string::npos || stat.size() < end + 5) continue;
    if (std::atoi(stat.c_str() + end + 4) == parent) children.push_back(pid);
  }
  return children;
}

// A zombie that nobody has waited for yet is dead.
bool IsAlive(pid_t pid) {
  const std::string stat = ReadFile("/proc/" + std::to_string(pid) + "/stat");
  const size_t end = stat.rfind(')');
  return end != std::string::npos && stat.size() > end + 2 && stat[end + 2] != 'Z';
}

void Pause() { std::this_thread::sleep_for(std::chrono::milliseconds(5)); }

std::string RunSql(const std::string& conninfo, const std::string& sql) {
  PGconn* const connection = PQconnectdb(conninfo.c_str());
  if (PQstatus(connection) != CONNECTION_OK) Die(PQerrorMessage(connection));
  PGresult* const result = PQexec(connection, sql.c_str());
  const ExecStatusType status = PQresultStatus(result);
  if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
    Die(sql + ": " + PQerrorMessage(connection));
  }
  std::string first;
  if (PQntuples(result) > 0 && PQnfields(result) > 0) first = PQgetvalue(result, 0, 0);
  PQclear(result);
  PQfinish(connection);
  return first;
}

// Folders whose test program was killed before it could remove them.
void RemoveLeftovers() {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator("/tmp", error)) {
    if (entry.path().filename().string().rfind(kPrefix, 0) != 0) continue;
    const pid_t owner = std::atoi(ReadFile(entry.path() / "owner").c_str());
    if (owner > 0 && kill(owner, 0) != 0 && errno == ESRCH) {
      std::error_code ignored;
      fs::remove_all(entry.path(), ignored);
    }
  }
}

std::string NewName() {
  static std::atomic<int> counter{0};
  return "test_" + std::to_string(++counter);
}

}  // namespace

PostgresCluster::PostgresCluster(Options options) : options_(options) {
  // /tmp and not TMPDIR: the path of a unix socket has 107 bytes.
  RemoveLeftovers();
  folder_ = std::string("/tmp/") + kPrefix + "XXXXXX";
  if (mkdtemp(folder_.data()) == nullptr) Die("cannot make a temporary folder");
  std::ofstream(folder_ + "/owner") << getpid();
  if (const passwd* const user = ServerUser()) {
    if (chown(folder_.c_str(), user->pw_uid, user->pw_gid) != 0)
      Die("cannot give the folder to postgres");
  }
  InitDb();
  Start();
}

PostgresCluster::~PostgresCluster() {
  Kill9();
  std::error_code error;
  fs::remove_all(folder_, error);
}

PostgresCluster& PostgresCluster::Shared() {
  static PostgresCluster cluster;
  return cluster;
}

std::string PostgresCluster::Conninfo(const std::string& database) const {
  return "host=" + folder_ + " port=" + std::to_string(port_) + " user=postgres dbname=" + database;
}

void PostgresCluster::InitDb() const {
  const std::string log = folder_ + "/initdb.log";
  const pid_t pid = Spawn({BinFolder() + "/initdb", "-D", folder_ + "/data", "-U", "postgres", "-A",
                           "trust", "-E", "UTF8", "--locale=C", "--no-sync"},
                          log, SIGKILL);
  int status = 0;
  if (waitpid(pid, &status, 0) != pid || status != 0) Die("initdb failed:\n" + ReadFile(log));
}

void PostgresCluster::Launch() {
  std::vector<std::string> command = {BinFolder() + "/postgres", "-D", folder_ + "/data"};
  for (const std::string& setting :
       {"port=" + std::to_string(port_), std::string("listen_addresses=127.0.0.1"),
        "unix_socket_directories=" + folder_, std::string("max_connections=200"),
        std::string("shared_buffers=128MB"), std::string("deadlock_timeout=100ms"),
        std::string("max_wal_size=4GB"), std::string(options_.durable ? "fsync=on" : "fsync=off"),
        std::string(options_.durable ? "full_page_writes=on" : "full_page_writes=off")}) {
    command.push_back("-c");
    command.push_back(setting);
  }
  // SIGQUIT: an immediate shutdown, which takes the backends along.
  pid_ = Spawn(command, folder_ + "/postgres.log", SIGQUIT);
}

bool PostgresCluster::WaitUntilReady() const {
  for (int i = 0; i < 6000; ++i) {
    if (PQping(Conninfo("postgres").c_str()) == PQPING_OK) return true;
    if (waitpid(pid_, nullptr, WNOHANG) == pid_) return false;
    Pause();
  }
  return false;
}

void PostgresCluster::Start() {
  // Another program may take the port between the choice and its use.
  for (int i = 0; i < 5; ++i) {
    if (port_ == 0) port_ = FreePort();
    Launch();
    if (WaitUntilReady()) return;
    if (i > 0) port_ = 0;
  }
  Die("PostgreSQL does not start:\n" + ReadFile(folder_ + "/postgres.log"));
}

void PostgresCluster::MakeTemplate() {
  if (has_template_) return;
  has_template_ = true;
  RunSql(Conninfo("postgres"), std::string("CREATE DATABASE ") + kTemplate);
  const auto migrated = storage::Migrate(Conninfo(kTemplate));
  if (!migrated.ok()) Die(migrated.status().ToString());
}

void PostgresCluster::Kill9() {
  if (pid_ < 0) return;
  kill(pid_, SIGSTOP);  // so that it starts no further backend
  const std::vector<pid_t> children = ChildrenOf(pid_);
  for (const pid_t child : children) kill(child, SIGKILL);
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
  for (const pid_t child : children) {
    while (IsAlive(child)) Pause();
  }
  pid_ = -1;
}

void PostgresCluster::Stop() {
  if (pid_ < 0) return;
  kill(pid_, SIGINT);
  waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

TestDatabase::TestDatabase(PostgresCluster& cluster, const std::string& name,
                           const std::string& from)
    : cluster_(cluster), name_(name), conninfo_(cluster.Conninfo(name)) {
  RunSql(cluster_.Conninfo("postgres"), "CREATE DATABASE " + name_ + " TEMPLATE " + from);
}

std::unique_ptr<TestDatabase> TestDatabase::Create(PostgresCluster& cluster) {
  cluster.MakeTemplate();
  return std::unique_ptr<TestDatabase>(new TestDatabase(cluster, NewName(), kTemplate));
}

std::unique_ptr<TestDatabase> TestDatabase::CreateEmpty(PostgresCluster& cluster) {
  return std::unique_ptr<TestDatabase>(new TestDatabase(cluster, NewName(), "template0"));
}

TestDatabase::~TestDatabase() {
  RunSql(cluster_.Conninfo("postgres"), "DROP DATABASE IF EXISTS " + name_ + " WITH (FORCE)");
}

std::string TestDatabase::Query(const std::string& sql) const { return RunSql(conninfo_, sql); }

}  // namespace mgral::test
