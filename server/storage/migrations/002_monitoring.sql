-- What monitoring asks of jobs and cycles: how long a job has waited to be claimed, and when a cycle
-- last got on. A heartbeat alone is no progress.
-- now() is one value for all rows that there are, so no table is rewritten; new rows take the clock.
ALTER TABLE job ADD COLUMN free_since timestamptz NOT NULL DEFAULT now();
ALTER TABLE job ALTER COLUMN free_since SET DEFAULT clock_timestamp();
ALTER TABLE cycle ADD COLUMN progress_time timestamptz NOT NULL DEFAULT now();
ALTER TABLE cycle ALTER COLUMN progress_time SET DEFAULT clock_timestamp();
