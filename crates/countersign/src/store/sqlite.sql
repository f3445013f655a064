-- Format 1. A later format is another file; what a released program wrote is never edited here.
create table meta (
    key   text primary key,
    value text not null
) without rowid;

create table leaves (
    idx    integer primary key,
    stream text    not null,
    seq    integer not null,
    bytes  blob    not null,
    unique (stream, seq)
);

-- Complete subtrees of the Merkle tree; level 0 are the leaf hashes.
create table nodes (
    level integer not null,
    idx   integer not null,
    hash  blob    not null,
    primary key (level, idx)
) without rowid;

create table blobs (
    digest blob primary key,
    bytes  blob not null
) without rowid;

create table uniques (
    key text primary key,
    idx integer not null
) without rowid;

create table projections (
    name text primary key,
    body blob not null
) without rowid;
