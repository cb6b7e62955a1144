-- Checks the constraints of the migrations before against the rows that were there, without keeping anybody waiting.
ALTER TABLE orders VALIDATE CONSTRAINT orders_cancel_reason_check;
ALTER TABLE markets VALIDATE CONSTRAINT markets_archived_check;
ALTER TABLE admin_acts
    VALIDATE CONSTRAINT admin_acts_act_check,
    VALIDATE CONSTRAINT admin_acts_about_check;
