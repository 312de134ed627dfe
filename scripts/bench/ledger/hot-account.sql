-- One booking of a naive ledger: two rows and two balances, in a commit of its own. All bookings meet at account 1.
\set other random(2, 1000)
\set amount random(1, 100000)
begin;
insert into naive_ledger.booking default values returning id \gset
insert into naive_ledger.entry (booking, account, amount) values (:id, 1, :amount), (:id, :other, -:amount::bigint);
update naive_ledger.account set balance = balance + :amount where id = 1;
update naive_ledger.account set balance = balance - :amount where id = :other;
commit;
