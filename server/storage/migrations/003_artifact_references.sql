-- Which artifacts are needed, and by what. `mgral-server artifacts prune` deletes those that nothing here names.
-- Rows are written by triggers where a column names the artifact, so that no program can forget them, and by the
-- program where only the artifact itself knows what it refers to. They go with their owner:
--   image     the bytes that came with the registration; until the pool is deleted, as images are
--   model     its weights
--   snapshot  what the next cycle reads of the published snapshot: the selector, the manifest, and everything
--             that the manifest names; until another snapshot is published
--   cycle     what its stages have stored; until it ends
CREATE TYPE artifact_owner AS ENUM ('image', 'model', 'snapshot', 'cycle');
CREATE TABLE artifact_reference (
  pool_key bigint NOT NULL REFERENCES pool ON DELETE CASCADE,
  owner artifact_owner NOT NULL,
  owner_key bigint NOT NULL,  -- of a row of the table that `owner` names
  sha256 text COLLATE "C" NOT NULL CHECK (octet_length(sha256) = 64),
  PRIMARY KEY (pool_key, owner, owner_key, sha256)
);
CREATE INDEX artifact_reference_by_sha256 ON artifact_reference (sha256);

-- The column held the hash of the manifest, never of embeddings.
ALTER TABLE snapshot RENAME COLUMN embeddings_sha256 TO manifest_sha256;
-- False: only the manifest of this older snapshot knows what it refers to. The program adds those references before
-- it prunes anything.
ALTER TABLE snapshot ADD COLUMN references_complete boolean NOT NULL DEFAULT false;
ALTER TABLE snapshot ALTER COLUMN references_complete SET DEFAULT true;

-- In these two, source_kind 3 is ImageSource::Kind::kArtifact.
CREATE FUNCTION refer_to_image_bytes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO artifact_reference (pool_key, owner, owner_key, sha256)
    SELECT pool_key, 'image', key, location FROM new_image WHERE source_kind = 3;
  RETURN NULL;
END $$;
CREATE TRIGGER refer_to_image_bytes AFTER INSERT ON image
  REFERENCING NEW TABLE AS new_image FOR EACH STATEMENT EXECUTE FUNCTION refer_to_image_bytes();
INSERT INTO artifact_reference (pool_key, owner, owner_key, sha256)
  SELECT pool_key, 'image', key, location FROM image WHERE source_kind = 3;

CREATE FUNCTION forget_artifacts() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM artifact_reference
    WHERE pool_key = OLD.pool_key AND owner = TG_ARGV[0]::artifact_owner AND owner_key = OLD.key;
  RETURN NULL;
END $$;

CREATE FUNCTION refer_to_weights() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM artifact_reference
    WHERE pool_key = NEW.pool_key AND owner = 'model' AND owner_key = NEW.key;
  INSERT INTO artifact_reference (pool_key, owner, owner_key, sha256)
    SELECT NEW.pool_key, 'model', NEW.key, NEW.weights_sha256 WHERE NEW.weights_sha256 <> '';
  RETURN NULL;
END $$;
CREATE TRIGGER refer_to_weights AFTER INSERT OR UPDATE OF weights_sha256 ON model
  FOR EACH ROW EXECUTE FUNCTION refer_to_weights();
CREATE TRIGGER forget_artifacts AFTER DELETE ON model
  FOR EACH ROW EXECUTE FUNCTION forget_artifacts('model');
INSERT INTO artifact_reference (pool_key, owner, owner_key, sha256)
  SELECT pool_key, 'model', key, weights_sha256 FROM model WHERE weights_sha256 <> '';

CREATE TRIGGER forget_artifacts AFTER DELETE ON snapshot
  FOR EACH ROW EXECUTE FUNCTION forget_artifacts('snapshot');
INSERT INTO artifact_reference (pool_key, owner, owner_key, sha256)
  SELECT DISTINCT s.pool_key, 'snapshot'::artifact_owner, s.key, named.sha256
  FROM pool p
  JOIN snapshot s ON s.key = p.snapshot_key
  CROSS JOIN unnest(ARRAY[s.selector_sha256, s.manifest_sha256]) AS named (sha256)
  WHERE named.sha256 <> '';

CREATE TRIGGER forget_artifacts AFTER DELETE ON cycle
  FOR EACH ROW EXECUTE FUNCTION forget_artifacts('cycle');
CREATE TRIGGER forget_artifacts_at_end AFTER UPDATE OF end_time ON cycle
  FOR EACH ROW WHEN (NEW.end_time IS NOT NULL) EXECUTE FUNCTION forget_artifacts('cycle');
-- Jobs of running cycles name their artifacts by 64 hexadecimal digits, alone or within JSON.
INSERT INTO artifact_reference (pool_key, owner, owner_key, sha256)
  SELECT DISTINCT c.pool_key, 'cycle'::artifact_owner, c.key, named.groups[1]
  FROM cycle c
  JOIN job j ON j.cycle_key = c.key
  CROSS JOIN regexp_matches(encode(j.payload, 'escape') || ' ' || encode(j.result, 'escape'),
                            '[0-9a-f]{64}', 'g') AS named (groups)
  WHERE c.end_time IS NULL;
