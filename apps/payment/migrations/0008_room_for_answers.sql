-- The answer comes into the row after the row, and is most of it. Pages that are filled to the brim with rows without
-- answers have no room for it: each row then moves, and its index entry with it.
alter table idempotency set (fillfactor = 15);
