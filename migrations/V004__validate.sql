-- Checks the constraints of the migration before against the rows that were there. A migration of its own, because the other one's
-- locks would be held for as long as this takes: it keeps neither readers nor writers waiting.
ALTER TABLE orders
    VALIDATE CONSTRAINT orders_time_in_force_check,
    VALIDATE CONSTRAINT orders_expires_at_check,
    VALIDATE CONSTRAINT orders_post_only_check,
    VALIDATE CONSTRAINT orders_self_trade_check,
    VALIDATE CONSTRAINT orders_cancel_reason_check;
ALTER TABLE markets
    VALIDATE CONSTRAINT markets_state_check,
    VALIDATE CONSTRAINT markets_answer_check,
    VALIDATE CONSTRAINT markets_proposed_check,
    VALIDATE CONSTRAINT markets_confirmed_check,
    VALIDATE CONSTRAINT markets_second_admin_check;
ALTER TABLE ledger_entries VALIDATE CONSTRAINT ledger_entries_kind_check;
