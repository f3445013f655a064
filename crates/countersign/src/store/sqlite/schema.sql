-- Format 2. No release has written a store yet; from the first one on, what a released program wrote is never edited
-- here, and a later format is another file.

-- One row: where the log stands, the checkpoint of its first `noted` leaves, and the version of the projections.
create table log (
    id          integer primary key check (id = 0),
    size        integer not null,
    root        blob    not null,
    time        integer,
    note        text    not null,
    noted       integer not null,
    projections integer not null
);

create table leaves (
    idx   integer primary key,
    bytes blob not null
);

-- Streams are numbered as they begin, so that the lines of those that are busy now lie together.
create table streams (
    id   integer primary key,
    name text not null unique
);

-- Where leaves stand in their streams. The last line of a stream leads to its head.
create table lines (
    stream integer not null,
    seq    integer not null,
    idx    integer not null,
    primary key (stream, seq)
) without rowid;

create table uniques (
    key blob    primary key,
    idx integer not null
) without rowid;

-- Hashes of every eighth level of the tree, 256 to a row. Those of the leaves are there when they are full.
create table tiles (
    level  integer not null,
    idx    integer not null,
    hashes blob    not null,
    primary key (level, idx)
);

-- Bytes are appended in the order of their arrival; only the index is in the order of digests.
create table blobs (
    id     integer primary key,
    digest blob not null unique,
    bytes  blob not null
);

create table projections (
    id     integer primary key,
    kind   text    not null,
    name   text    not null,
    ord    integer not null,
    facets text    not null,
    body   blob    not null,
    unique (kind, name)
);

create index projections_in_order on projections (kind, ord, name);

-- The index of lists that are narrowed.
create table facets (
    kind  text    not null,
    facet text    not null,
    value text    not null,
    ord   integer not null,
    name  text    not null,
    primary key (kind, facet, value, ord, name)
) without rowid;

-- Numbers are never given twice, so that what is done once stays done.
create table jobs (
    id   integer primary key autoincrement,
    kind text not null,
    body blob not null
);
