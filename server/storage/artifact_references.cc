#include "server/storage/artifact_references.h"

#include "server/storage/encoding.h"

namespace mgral::storage {
namespace {

void Refer(pqxx::work& tx, int64_t pool_key, const std::string& owner, int64_t owner_key,
           const std::vector<std::string>& sha256s) {
  Exec(tx, R"sql(
      INSERT INTO artifact_reference (pool_key, owner, owner_key, sha256)
      SELECT DISTINCT $1::bigint, $2::artifact_owner, $3::bigint, named.sha256
      FROM unnest($4::text[]) AS named (sha256)
      WHERE named.sha256 <> ''
      ON CONFLICT DO NOTHING
      )sql",
       pool_key, owner, owner_key, TextArray(sha256s));
}

}  // namespace

void KeepForCycle(pqxx::work& tx, int64_t pool_key, int64_t cycle_key,
                  const std::vector<std::string>& sha256s) {
  Refer(tx, pool_key, "cycle", cycle_key, sha256s);
}

void KeepForSnapshot(pqxx::work& tx, int64_t pool_key, int64_t snapshot_key,
                     const std::vector<std::string>& sha256s) {
  Exec(tx, R"sql(
      DELETE FROM artifact_reference r
      USING pool p
      WHERE p.key = $1
        AND r.pool_key = p.key
        AND r.owner = 'snapshot'
        AND r.owner_key <> p.snapshot_key
        AND r.owner_key IS DISTINCT FROM p.previous_snapshot_key
      )sql",
       pool_key);
  Refer(tx, pool_key, "snapshot", snapshot_key, sha256s);
}

std::vector<IncompleteSnapshot> IncompleteSnapshots(pqxx::work& tx) {
  const pqxx::result rows = tx.exec(R"sql(
      SELECT s.key, s.pool_key, p.pool_id, s.manifest_sha256
      FROM pool p
      JOIN snapshot s ON s.key = p.snapshot_key
      WHERE NOT s.references_complete
      ORDER BY s.key
      )sql");
  std::vector<IncompleteSnapshot> snapshots;
  for (const pqxx::row& row : rows) {
    snapshots.push_back({row["key"].as<int64_t>(), row["pool_key"].as<int64_t>(),
                         ReadText(row["pool_id"]), ReadText(row["manifest_sha256"])});
  }
  return snapshots;
}

void CompleteSnapshot(pqxx::work& tx, const IncompleteSnapshot& snapshot,
                      const std::vector<std::string>& named) {
  // The pool's lock keeps a cycle from publishing meanwhile.
  const pqxx::result published = Exec(tx, R"sql(
      SELECT key
      FROM pool
      WHERE key = $1
        AND snapshot_key = $2
      FOR UPDATE
      )sql",
                                      snapshot.pool_key, snapshot.key);
  if (published.empty()) return;
  Refer(tx, snapshot.pool_key, "snapshot", snapshot.key, named);
  Exec(tx, R"sql(
      UPDATE snapshot
      SET references_complete = true
      WHERE key = $1
      )sql",
       snapshot.key);
}

std::vector<std::string> NeededArtifacts(pqxx::work& tx) {
  std::vector<std::string> needed;
  for (const pqxx::row& row : tx.exec("SELECT DISTINCT sha256 FROM artifact_reference")) {
    needed.push_back(ReadText(row["sha256"]));
  }
  return needed;
}

std::vector<ArtifactOwners> OwnersOfArtifacts(pqxx::work& tx) {
  const pqxx::result rows = tx.exec(R"sql(
      WITH named AS (
        SELECT r.sha256, r.pool_key, r.owner, 'images/' || i.image_id AS name
        FROM artifact_reference r
        JOIN image i ON i.key = r.owner_key
        WHERE r.owner = 'image'
        UNION ALL
        SELECT r.sha256, r.pool_key, r.owner, 'models/' || m.version
        FROM artifact_reference r
        JOIN model m ON m.key = r.owner_key
        WHERE r.owner = 'model'
        UNION ALL
        SELECT r.sha256, r.pool_key, r.owner, 'cycles/' || c.number
        FROM artifact_reference r
        JOIN snapshot s ON s.key = r.owner_key
        JOIN cycle c ON c.key = s.cycle_key
        WHERE r.owner = 'snapshot'
        UNION ALL
        SELECT r.sha256, r.pool_key, r.owner, 'cycles/' || c.number
        FROM artifact_reference r
        JOIN cycle c ON c.key = r.owner_key
        WHERE r.owner = 'cycle'
      )
      SELECT
        named.sha256,
        'pools/' || p.pool_id || '/' || min(named.name) AS resource,
        count(*) AS owners
      FROM named
      JOIN pool p ON p.key = named.pool_key
      GROUP BY named.sha256, p.pool_id, named.owner
      ORDER BY named.sha256, p.pool_id, named.owner
      )sql");
  std::vector<ArtifactOwners> owners;
  for (const pqxx::row& row : rows) {
    owners.push_back(
        {ReadText(row["sha256"]), ReadText(row["resource"]), row["owners"].as<int64_t>()});
  }
  return owners;
}

}  // namespace mgral::storage
