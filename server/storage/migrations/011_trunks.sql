-- Another trunk than the profile's, by torchvision's name; empty: the profile's own.
ALTER TABLE pool ADD COLUMN trunk text NOT NULL DEFAULT '';
