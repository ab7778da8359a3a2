-- What monitoring asks of jobs and cycles: how long a job has waited to be claimed, and when a cycle
-- last got on. A heartbeat alone is no progress.
ALTER TABLE job ADD COLUMN free_since timestamptz NOT NULL DEFAULT clock_timestamp();
ALTER TABLE cycle ADD COLUMN progress_time timestamptz NOT NULL DEFAULT clock_timestamp();
