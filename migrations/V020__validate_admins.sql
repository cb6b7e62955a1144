-- Checks the constraints of the migration before against the rows that were there, without keeping anybody waiting.
ALTER TABLE admin_acts
    VALIDATE CONSTRAINT admin_acts_act_check,
    VALIDATE CONSTRAINT admin_acts_about_check;
