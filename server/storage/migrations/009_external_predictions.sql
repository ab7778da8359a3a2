-- What users put of detectors of their own, one version of a detector per pool at a time. `images` and
-- `boxes` count the rows of `prediction` and their boxes.
CREATE TABLE prediction_set (
  key bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  pool_key bigint NOT NULL UNIQUE REFERENCES pool ON DELETE CASCADE,
  model text NOT NULL CHECK (octet_length(model) BETWEEN 1 AND 128),
  embedding_size integer NOT NULL CHECK (embedding_size >= 0),
  images bigint NOT NULL DEFAULT 0,
  boxes bigint NOT NULL DEFAULT 0
);

-- image_key without a foreign key: the rows go with their set.
CREATE TABLE prediction (
  set_key bigint NOT NULL REFERENCES prediction_set ON DELETE CASCADE,
  image_key bigint NOT NULL,
  box_count integer NOT NULL CHECK (box_count >= 0),
  boxes bytea NOT NULL,    -- as in server/storage/encoding.h, as the signals
  signals bytea NOT NULL,
  PRIMARY KEY (set_key, image_key)
);

-- The name that the predictions were put with, of models that were not trained here.
ALTER TABLE model ADD COLUMN external_model text NOT NULL DEFAULT '';
