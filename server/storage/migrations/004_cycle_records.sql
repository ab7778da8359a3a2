-- Records of a cycle are protobuf messages now (server/cycle/records.proto). What a published snapshot
-- refers to is still read in the older formats; a cycle in progress begins anew, with its training.
-- Here, cycle states 1 and 2 are queued and running, job kind 1 is train, job state 1 is open.
DELETE FROM job j
  USING cycle c
  WHERE c.key = j.cycle_key AND c.state IN (1, 2) AND j.kind <> 1;
UPDATE job j
  SET state = 1, lease_token = 0, lease_until = NULL, worker = '', attempt = 0, fraction = 0,
      result = '', seconds = 0, metrics = '{}', free_since = clock_timestamp()
  FROM cycle c
  WHERE c.key = j.cycle_key AND c.state IN (1, 2);
UPDATE cycle
  SET state = 1, start_time = NULL, progress_time = clock_timestamp(), revision = revision + 1
  WHERE state IN (1, 2);

-- What the cycle works on, fixed by the first attempt to train; the id is drawn with it and names the
-- work folder, so that no other cycle, not even one with the same key in another database or
-- after a restore, takes over what lies there.
ALTER TABLE cycle ADD COLUMN inputs bytea NOT NULL DEFAULT '';
ALTER TABLE cycle ADD COLUMN work_id uuid;
ALTER TABLE cycle ADD CONSTRAINT cycle_work_id_check CHECK ((inputs = '') = (work_id IS NULL));

-- A job that met an error that may pass is given back: it is not claimed before `not_before`, and
-- `retries` counts how often that happened.
ALTER TABLE job ADD COLUMN not_before timestamptz;
ALTER TABLE job ADD COLUMN retries integer NOT NULL DEFAULT 0 CHECK (retries >= 0);

-- Images that a cycle could not use, and why. image_key without a foreign key.
CREATE TABLE left_out_image (
  cycle_key bigint NOT NULL REFERENCES cycle ON DELETE CASCADE,
  image_key bigint NOT NULL,
  reason text NOT NULL,
  PRIMARY KEY (cycle_key, image_key)
);
