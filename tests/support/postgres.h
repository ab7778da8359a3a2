#pragma once

#include <sys/types.h>

#include <memory>
#include <string>

namespace mgral::test {

// A PostgreSQL cluster of its own, on a loopback port and a unix socket, in a temporary folder that
// goes with it. Needs PostgreSQL's programs (/usr/lib/postgresql/*/bin or PATH); as root it runs as
// user postgres. Ends with the process, also when that is killed. Failures to start abort the test
// program with a message.
class PostgresCluster {
 public:
  struct Options {
    bool durable = false;  // fsync; off is safe against killed processes, not against power cuts
  };
  explicit PostgresCluster(Options options);
  PostgresCluster() : PostgresCluster(Options()) {}
  ~PostgresCluster();
  PostgresCluster(const PostgresCluster&) = delete;
  PostgresCluster& operator=(const PostgresCluster&) = delete;

  // The one that the tests of this program share, started when first asked for.
  static PostgresCluster& Shared();

  std::string Conninfo(const std::string& database) const;
  // For those who connect as another user or across TCP.
  int port() const { return port_; }
  const std::string& folder() const { return folder_; }

  // The server and all its backends die at once.
  void Kill9();
  void Stop();   // orderly, open connections are closed
  void Start();  // again after one of them; waits until it answers

 private:
  void InitDb() const;
  void Launch();
  bool WaitUntilReady() const;
  friend class TestDatabase;
  void MakeTemplate();  // the migrated database that others are cloned from

  const Options options_;
  std::string folder_;
  int port_ = 0;
  pid_t pid_ = -1;
  bool has_template_ = false;
};

// A migrated database in a cluster, dropped with the object.
class TestDatabase {
 public:
  static std::unique_ptr<TestDatabase> Create(PostgresCluster& cluster = PostgresCluster::Shared());
  // Without any schema.
  static std::unique_ptr<TestDatabase> CreateEmpty(
      PostgresCluster& cluster = PostgresCluster::Shared());
  ~TestDatabase();

  const std::string& conninfo() const { return conninfo_; }
  // Runs SQL past the stores; aborts the test program when it fails. Query returns the first field
  // of the first row, "" when there is none.
  void Execute(const std::string& sql) const { Query(sql); }
  std::string Query(const std::string& sql) const;

 private:
  TestDatabase(PostgresCluster& cluster, const std::string& name, const std::string& from);
  PostgresCluster& cluster_;
  const std::string name_;
  std::string conninfo_;
};

}  // namespace mgral::test
