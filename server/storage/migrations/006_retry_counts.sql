-- Retries are counted by what they were for, and afresh once a job has got further than ever: `retries` counts
-- errors, `image_retries` images whose places did not answer, both since the job had done `retries_from` of its work.
ALTER TABLE job ADD COLUMN image_retries integer NOT NULL DEFAULT 0 CHECK (image_retries >= 0);
ALTER TABLE job ADD COLUMN retries_from double precision NOT NULL DEFAULT 0 CHECK (retries_from BETWEEN 0 AND 1);
