create table customers (
    id integer primary key,
    name text not null check (name <> ''),
    email text not null unique
);

create table stock (
    sku text primary key,
    count integer not null check (count >= 0)
);

create table orders (
    id integer primary key,
    customer integer not null references customers
);

create table lines (
    "order" integer not null references orders,
    sku text not null references stock,
    count integer not null check (count > 0),
    primary key ("order", sku)
);
