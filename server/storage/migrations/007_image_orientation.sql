-- Whether the pool's images are turned as their EXIF orientation says. Boxes of the pools that there
-- are were given for images as they are stored.
ALTER TABLE pool ADD COLUMN applies_exif_orientation boolean NOT NULL DEFAULT false;
ALTER TABLE pool ALTER COLUMN applies_exif_orientation SET DEFAULT true;

-- What was unusual about the file when it was registered.
ALTER TABLE image ADD COLUMN note text NOT NULL DEFAULT '';
