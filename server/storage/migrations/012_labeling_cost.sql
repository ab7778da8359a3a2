-- What labeling costs, in seconds (both 0: not set), and the share of a batch that is drawn at random.
ALTER TABLE pool
  ADD COLUMN seconds_per_image double precision NOT NULL DEFAULT 0,
  ADD COLUMN seconds_per_box double precision NOT NULL DEFAULT 0,
  ADD COLUMN uniform_share double precision NOT NULL DEFAULT 0.15,
  -- NaN is greater than every number.
  ADD CONSTRAINT pool_cost_check
    CHECK (seconds_per_image BETWEEN 0 AND 86400 AND seconds_per_box BETWEEN 0 AND 86400) NOT VALID,
  ADD CONSTRAINT pool_share_check CHECK (uniform_share >= 0 AND uniform_share < 1) NOT VALID;

-- Drawn at random instead of chosen by the strategy.
ALTER TABLE queue_entry ADD COLUMN uniform boolean NOT NULL DEFAULT false;
ALTER TABLE batch_image ADD COLUMN uniform boolean NOT NULL DEFAULT false;

-- Unknown for the snapshots and batches that there are.
ALTER TABLE snapshot_image ADD COLUMN expected_boxes real;
ALTER TABLE batch ADD COLUMN estimated_cost double precision;
