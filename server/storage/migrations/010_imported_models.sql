-- A model may come from a file that a user gave instead of a cycle's training; its snapshot, if it is published, then
-- has no cycle either.
ALTER TABLE model ALTER COLUMN cycle_key DROP NOT NULL;
ALTER TABLE model
  ADD COLUMN imported_from text NOT NULL DEFAULT '',  -- the file's name
  -- The imported model that its training began with, also by way of other trainings; an imported model's own version.
  ADD COLUMN import_version bigint,
  ADD CONSTRAINT model_origin_check
    CHECK ((cycle_key IS NULL) = (imported_from <> '') AND (cycle_key IS NOT NULL OR import_version = version)) NOT VALID;
ALTER TABLE snapshot ALTER COLUMN cycle_key DROP NOT NULL;

-- The imported model that the pool's next trainings begin with; NULL: as the profile says.
ALTER TABLE pool ADD COLUMN start_model_version bigint;
