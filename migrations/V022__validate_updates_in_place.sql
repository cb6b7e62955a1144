-- Checks the constraint of the migration before against the rows that were there, without keeping anybody waiting.
ALTER TABLE purses VALIDATE CONSTRAINT purses_positive_check;
