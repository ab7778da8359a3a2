-- Time for the replay probes of a cycle, in seconds, instead of their number; 0: not limited.
ALTER TABLE pool
  ADD COLUMN probe_seconds double precision NOT NULL DEFAULT 0,
  -- NaN is greater than every number.
  ADD CONSTRAINT pool_probe_seconds_check
    CHECK (probe_seconds BETWEEN 0 AND 86400 AND (probe_seconds = 0 OR replay_probes = 0)) NOT VALID,
  -- -1: none.
  DROP CONSTRAINT pool_replay_probes_check,
  ADD CONSTRAINT pool_replay_probes_check CHECK (replay_probes >= -1) NOT VALID;
