-- Checks the constraints of the migration before against the rows that were there, without keeping anybody waiting.
ALTER TABLE orders
    VALIDATE CONSTRAINT orders_group_id_check,
    VALIDATE CONSTRAINT orders_cancel_reason_check;
