-- The snapshot that was published before the published one. Its images, queues and artifacts are kept, so that it can
-- be published again. Unknown for the pools that there are: the artifacts of theirs may be gone.
ALTER TABLE pool ADD COLUMN previous_snapshot_key bigint;
