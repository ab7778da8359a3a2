-- Rows that no program may write, refused by the database itself. NOT VALID: what is stored already
-- is not looked at, so that no table is scanned while others wait; new and changed rows are.
-- Here, image state 3 is labeled and 4 rejected; cycle state 2 is running, 3 succeeded, 4 failed
-- and 5 canceled; job state 1 is open, 3 done.
ALTER TABLE image
  ADD CONSTRAINT image_labels_check CHECK (state <> 3 OR label_revision > 0) NOT VALID,
  ADD CONSTRAINT image_reason_check CHECK (state = 4 OR reject_reason = '') NOT VALID;
ALTER TABLE cycle
  ADD CONSTRAINT cycle_start_check CHECK (state <> 2 OR start_time IS NOT NULL) NOT VALID,
  ADD CONSTRAINT cycle_end_check CHECK ((state IN (3, 4, 5)) = (end_time IS NOT NULL)) NOT VALID,
  ADD CONSTRAINT cycle_error_check CHECK (state = 4 OR error = '') NOT VALID;
ALTER TABLE job
  ADD CONSTRAINT job_lease_check CHECK (state NOT IN (1, 3) OR lease_until IS NULL) NOT VALID,
  ADD CONSTRAINT job_done_check CHECK (state <> 3 OR fraction = 1) NOT VALID;
