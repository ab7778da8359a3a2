-- States are the numbers of the enums in server/domain. Times are the database's. A comment says where a
-- foreign key is left out on purpose: those rows go with their snapshot, batch or pool, and the
-- check per image would need an index that nothing else uses.

CREATE TABLE pool (
  key bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  pool_id text COLLATE "C" NOT NULL UNIQUE CHECK (octet_length(pool_id) BETWEEN 1 AND 63),
  display_name text NOT NULL,
  classes text[] NOT NULL CHECK (cardinality(classes) BETWEEN 1 AND 1000),
  profile text NOT NULL,
  warm_start boolean NOT NULL,
  training_steps integer NOT NULL CHECK (training_steps >= 0),
  input_size integer NOT NULL CHECK (input_size >= 0),
  strategy text NOT NULL,
  batch_size integer NOT NULL CHECK (batch_size > 0),
  probes integer NOT NULL CHECK (probes >= 0),
  replay_probes integer NOT NULL CHECK (replay_probes >= 0),
  seed bigint NOT NULL,
  cycles integer NOT NULL DEFAULT 0,  -- started so far: numbers the next one
  snapshot_key bigint,                -- the published snapshot, a row of `snapshot`
  create_time timestamptz NOT NULL DEFAULT now()
);

-- pool_key without a foreign key, which would be checked for each of a million rows: the counts
-- below refer to the pool once per statement, and delete_images takes the images along.
CREATE TABLE image (
  key bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  pool_key bigint NOT NULL,
  shuffle bigint NOT NULL,  -- hash of image_id and the pool's seed: the order of "random"
  batch_key bigint,         -- the lease that holds it
  create_time timestamptz NOT NULL DEFAULT now(),
  width integer NOT NULL CHECK (width >= 0),
  height integer NOT NULL CHECK (height >= 0),
  label_revision integer NOT NULL DEFAULT 0 CHECK (label_revision >= 0),
  state smallint NOT NULL DEFAULT 1 CHECK (state BETWEEN 1 AND 4),
  use smallint NOT NULL CHECK (use BETWEEN 1 AND 2),
  source_kind smallint NOT NULL CHECK (source_kind BETWEEN 1 AND 3),
  image_id text COLLATE "C" NOT NULL CHECK (octet_length(image_id) BETWEEN 1 AND 256),
  location text COLLATE "C" NOT NULL,
  reject_reason text NOT NULL DEFAULT '',
  UNIQUE (pool_key, image_id),
  CHECK ((state = 2) = (batch_key IS NOT NULL))
);
CREATE INDEX image_by_pool ON image (pool_key, key);
CREATE INDEX image_by_state ON image (pool_key, state, key) WHERE state <> 1;
CREATE INDEX image_free ON image (pool_key, shuffle) WHERE state = 1 AND use = 1;
CREATE INDEX image_leased ON image (batch_key) WHERE state = 2;

CREATE FUNCTION delete_images() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM image WHERE pool_key = OLD.key;
  RETURN NULL;
END $$;
CREATE TRIGGER delete_images AFTER DELETE ON pool
  FOR EACH ROW EXECUTE FUNCTION delete_images();

-- Images of a pool by state and use: the sum of its rows. Changes are appended, so that nobody
-- waits for a counter; housekeeping adds them up.
CREATE TABLE image_count (
  pool_key bigint NOT NULL REFERENCES pool ON DELETE CASCADE,
  state smallint NOT NULL,
  use smallint NOT NULL,
  images bigint NOT NULL
);
CREATE INDEX image_count_by_pool ON image_count (pool_key);

CREATE FUNCTION count_new_images() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO image_count (pool_key, state, use, images)
    SELECT pool_key, state, use, count(*) FROM new_image GROUP BY 1, 2, 3;
  RETURN NULL;
END $$;
CREATE TRIGGER count_new_images AFTER INSERT ON image
  REFERENCING NEW TABLE AS new_image FOR EACH STATEMENT EXECUTE FUNCTION count_new_images();

CREATE FUNCTION count_changed_images() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO image_count (pool_key, state, use, images)
    SELECT pool_key, state, use, sum(n) FROM (
      SELECT pool_key, state, use, 1 AS n FROM new_image
      UNION ALL SELECT pool_key, state, use, -1 FROM old_image) AS change
    GROUP BY 1, 2, 3 HAVING sum(n) <> 0;
  RETURN NULL;
END $$;
CREATE TRIGGER count_changed_images AFTER UPDATE ON image
  REFERENCING OLD TABLE AS old_image NEW TABLE AS new_image
  FOR EACH STATEMENT EXECUTE FUNCTION count_changed_images();

CREATE SEQUENCE batch_key;
CREATE TABLE batch (
  key bigint PRIMARY KEY,
  pool_key bigint NOT NULL REFERENCES pool ON DELETE CASCADE,
  state smallint NOT NULL DEFAULT 1 CHECK (state BETWEEN 1 AND 4),
  strategy text NOT NULL,
  strategy_note text NOT NULL,
  model_version bigint,
  table_version bigint NOT NULL,
  estimated_gain double precision[],  -- mean, standard error, class means, class standard errors
  realised_gain double precision[],
  annotator text NOT NULL,
  create_time timestamptz NOT NULL,
  expire_time timestamptz NOT NULL
);
CREATE INDEX batch_by_pool ON batch (pool_key, key);
CREATE INDEX batch_live ON batch (expire_time) WHERE state = 1;

-- image_key without a foreign key.
CREATE TABLE batch_image (
  batch_key bigint NOT NULL REFERENCES batch ON DELETE CASCADE,
  rank integer NOT NULL,
  image_key bigint NOT NULL,
  cell integer NOT NULL,
  expected_gain real[] NOT NULL,
  predictions bytea NOT NULL,  -- boxes as in server/storage/encoding.h
  PRIMARY KEY (batch_key, rank),
  UNIQUE (batch_key, image_key)
);

-- batch_key without a foreign key.
CREATE TABLE label_revision (
  image_key bigint NOT NULL REFERENCES image ON DELETE CASCADE,
  revision integer NOT NULL CHECK (revision > 0),
  boxes bytea NOT NULL,
  late boolean NOT NULL,
  batch_key bigint,
  create_time timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (image_key, revision)
);
CREATE INDEX label_revision_by_batch ON label_revision (batch_key) WHERE batch_key IS NOT NULL;

-- Calls that may be repeated. pool_key NULL: the call is no pool's (CreatePool).
CREATE TABLE request (
  pool_key bigint REFERENCES pool ON DELETE CASCADE,
  method text NOT NULL,
  request_id text NOT NULL,
  fingerprint text NOT NULL,
  answer bigint[] NOT NULL DEFAULT '{}',
  create_time timestamptz NOT NULL DEFAULT now(),
  UNIQUE NULLS NOT DISTINCT (pool_key, method, request_id)
);
CREATE INDEX request_by_age ON request (create_time);

CREATE TABLE cycle (
  key bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  pool_key bigint NOT NULL REFERENCES pool ON DELETE CASCADE,
  number integer NOT NULL,
  state smallint NOT NULL DEFAULT 1 CHECK (state BETWEEN 1 AND 5),
  without_table boolean NOT NULL,
  revision bigint NOT NULL DEFAULT 1,
  create_time timestamptz NOT NULL DEFAULT now(),
  start_time timestamptz,  -- first claim; labels that came later were not trained on
  end_time timestamptz,
  error text NOT NULL DEFAULT '',
  training_images bigint NOT NULL DEFAULT 0,
  validation_images bigint NOT NULL DEFAULT 0,
  map50 double precision NOT NULL DEFAULT 0,
  map double precision NOT NULL DEFAULT 0,
  predicted_gain double precision NOT NULL DEFAULT 0,
  predicted_gain_se double precision NOT NULL DEFAULT 0,
  realised_gain double precision,
  UNIQUE (pool_key, number)
);
CREATE UNIQUE INDEX cycle_running ON cycle (pool_key) WHERE state IN (1, 2);

-- Grows with every claim of any job.
CREATE SEQUENCE lease_token;
-- States: 1 open, 2 claimed, 3 done, 4 dead.
CREATE TABLE job (
  key bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  cycle_key bigint NOT NULL REFERENCES cycle ON DELETE CASCADE,
  kind smallint NOT NULL CHECK (kind BETWEEN 1 AND 7),
  shard integer NOT NULL CHECK (shard >= 0),
  payload bytea NOT NULL,
  state smallint NOT NULL DEFAULT 1 CHECK (state BETWEEN 1 AND 4),
  lease_token bigint NOT NULL DEFAULT 0,
  lease_until timestamptz,
  worker text NOT NULL DEFAULT '',
  attempt integer NOT NULL DEFAULT 0,
  fraction double precision NOT NULL DEFAULT 0 CHECK (fraction BETWEEN 0 AND 1),
  result bytea NOT NULL DEFAULT '',
  seconds double precision NOT NULL DEFAULT 0,
  metrics jsonb NOT NULL DEFAULT '{}',
  UNIQUE (cycle_key, kind, shard),
  CHECK (state <> 2 OR lease_until IS NOT NULL)
);
CREATE INDEX job_open ON job (key) WHERE state IN (1, 2);

CREATE TABLE model (
  key bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  pool_key bigint NOT NULL REFERENCES pool ON DELETE CASCADE,
  version bigint NOT NULL CHECK (version > 0),
  cycle_key bigint NOT NULL UNIQUE REFERENCES cycle ON DELETE CASCADE,
  profile text NOT NULL,
  parameters bigint NOT NULL,
  weights_sha256 text NOT NULL,
  cold_start boolean NOT NULL,
  training_images bigint NOT NULL,
  validation_images bigint NOT NULL,
  map50 double precision NOT NULL,
  map50_11_point double precision NOT NULL,
  map double precision NOT NULL,
  class_ap50 double precision[] NOT NULL,  -- NaN without ground truth
  class_ap50_11_point double precision[] NOT NULL,
  class_ap double precision[] NOT NULL,
  class_boxes bigint[] NOT NULL,
  create_time timestamptz NOT NULL DEFAULT clock_timestamp(),
  UNIQUE (pool_key, version)
);

CREATE TABLE lookup_table (
  key bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  pool_key bigint NOT NULL REFERENCES pool ON DELETE CASCADE,
  version bigint NOT NULL CHECK (version > 0),
  cycle_key bigint NOT NULL REFERENCES cycle ON DELETE CASCADE,
  data bytea NOT NULL,
  UNIQUE (pool_key, version)
);

CREATE TABLE snapshot (
  key bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  pool_key bigint NOT NULL REFERENCES pool ON DELETE CASCADE,
  cycle_key bigint NOT NULL UNIQUE REFERENCES cycle ON DELETE CASCADE,
  model_key bigint NOT NULL REFERENCES model ON DELETE CASCADE,
  table_key bigint REFERENCES lookup_table ON DELETE CASCADE,
  report jsonb,
  strategies text[] NOT NULL,  -- that have a queue
  note text NOT NULL,
  selector_sha256 text NOT NULL,
  embeddings_sha256 text NOT NULL,
  create_time timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX snapshot_by_pool ON snapshot (pool_key, key);
CREATE INDEX snapshot_by_model ON snapshot (model_key);
CREATE INDEX snapshot_by_table ON snapshot (table_key);
CREATE INDEX lookup_table_by_cycle ON lookup_table (cycle_key);

-- image_key without a foreign key, here and in queue_entry.
CREATE TABLE snapshot_image (
  snapshot_key bigint NOT NULL REFERENCES snapshot ON DELETE CASCADE,
  image_key bigint NOT NULL,
  cell integer NOT NULL,
  entry bytea NOT NULL,
  expected_gain real[] NOT NULL,
  predictions bytea NOT NULL,
  PRIMARY KEY (snapshot_key, image_key)
);

-- `taken` spares a query the way past what was handed out already. It is set and cleared only by
-- who holds the image's row lock.
CREATE TABLE queue_entry (
  snapshot_key bigint NOT NULL REFERENCES snapshot ON DELETE CASCADE,
  image_key bigint NOT NULL,
  strategy text COLLATE "C" NOT NULL,
  position integer NOT NULL CHECK (position >= 0),
  taken boolean NOT NULL DEFAULT false,
  PRIMARY KEY (snapshot_key, image_key, strategy)
);
CREATE INDEX queue_entry_free ON queue_entry (snapshot_key, strategy, position) WHERE NOT taken;
