-- The shop's database: run as an administrator of the server, in an empty database, with the role `shop` present.
-- Everything belongs to that role, as if its own migrations had made it. No row is about a person who exists.
\set ON_ERROR_STOP on
BEGIN;
SET LOCAL ROLE shop;

CREATE SCHEMA shop;
COMMENT ON SCHEMA shop IS 'the shop, version 1.42.0';

CREATE TYPE shop.order_state AS ENUM ('basket', 'paid', 'shipped', 'returned');

-- Order numbers are read out on the telephone, hence not from 1.
CREATE SEQUENCE shop.order_number START 10001;

CREATE TABLE shop.customers (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    email   text NOT NULL UNIQUE CHECK (email LIKE '%@%'),
    name    text NOT NULL,
    since   date NOT NULL DEFAULT current_date
);

CREATE TABLE shop.products (
    sku     text PRIMARY KEY,
    title   text NOT NULL,
    cents   integer NOT NULL CHECK (cents > 0),
    stock   integer NOT NULL DEFAULT 0 CHECK (stock >= 0)
);

CREATE TABLE shop.orders (
    number      bigint PRIMARY KEY DEFAULT nextval('shop.order_number'),
    customer    bigint NOT NULL REFERENCES shop.customers,
    state       shop.order_state NOT NULL DEFAULT 'basket',
    placed_at   timestamptz NOT NULL DEFAULT now()
);
ALTER SEQUENCE shop.order_number OWNED BY shop.orders.number;
CREATE INDEX orders_of_customer ON shop.orders (customer, placed_at);

CREATE TABLE shop.order_lines (
    number      bigint NOT NULL REFERENCES shop.orders ON DELETE CASCADE,
    sku         text NOT NULL REFERENCES shop.products,
    quantity    integer NOT NULL CHECK (quantity > 0),
    PRIMARY KEY (number, sku)
);

CREATE TABLE shop.migrations (
    version     text PRIMARY KEY,
    applied_at  timestamptz NOT NULL DEFAULT now()
);

CREATE FUNCTION shop.order_total(wanted bigint) RETURNS bigint
LANGUAGE sql STABLE
SET search_path = shop, pg_temp
AS $$
    SELECT coalesce(sum(line.quantity * product.cents), 0)
    FROM order_lines AS line JOIN products AS product USING (sku)
    WHERE line.number = wanted
$$;

CREATE VIEW shop.open_orders AS
    SELECT o.number, c.email, o.state, shop.order_total(o.number) AS cents
    FROM shop.orders AS o JOIN shop.customers AS c ON c.id = o.customer
    WHERE o.state IN ('basket', 'paid');

INSERT INTO shop.customers (email, name, since)
SELECT format('customer-%s@example.com', n), format('Customer %s', n), date '2024-01-01' + n * 7
FROM generate_series(1, 24) AS n;

INSERT INTO shop.products (sku, title, cents, stock) VALUES
    ('TEA-ASSAM',  'Assam, 250 g',        990,  120),
    ('TEA-SENCHA', 'Sencha, 100 g',      1290,   80),
    ('TEA-ROOIBOS','Rooibos, 250 g',      790,  200),
    ('POT-CAST',   'Cast-iron pot, 1 l', 5900,   12),
    ('POT-GLASS',  'Glass pot, 1.2 l',   3400,   25),
    ('CUP-SET-4',  'Four cups',          2600,   40),
    ('TIMER',      'Sand timer, 3 min',   650,   90),
    ('TIN-500',    'Tin for 500 g',       850,   60);

INSERT INTO shop.orders (customer, state, placed_at)
SELECT 1 + n % 24,
       (ARRAY['basket', 'paid', 'shipped', 'shipped', 'returned'])[1 + n % 5]::shop.order_state,
       timestamptz '2026-01-05 09:00+00' + n * interval '7 hours'
FROM generate_series(1, 40) AS n;

INSERT INTO shop.order_lines (number, sku, quantity)
SELECT o.number, p.sku, 1 + (o.number + p.place) % 3
FROM shop.orders AS o
JOIN (SELECT sku, row_number() OVER (ORDER BY sku) AS place FROM shop.products) AS p
  ON (o.number + p.place) % 4 = 0;

INSERT INTO shop.migrations (version) VALUES ('0001_start'), ('0002_returns'), ('0003_open_orders');

COMMIT;
ANALYZE;
