-- The tables of a naive ledger: a booking has two rows, which sum up to nothing, and each account its balance.
drop schema if exists naive_ledger cascade;
create schema naive_ledger;
create table naive_ledger.account (id int primary key, balance bigint not null default 0);
insert into naive_ledger.account (id) select generate_series(1, 1000);
create table naive_ledger.booking (id bigint generated always as identity primary key, created_at timestamptz not null default now());
create table naive_ledger.entry (
  booking bigint not null references naive_ledger.booking, account int not null references naive_ledger.account,
  amount bigint not null, primary key (booking, account));
