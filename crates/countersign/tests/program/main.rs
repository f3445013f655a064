//! The program, seen from outside: the real binary, real keys, a folder of its own and nothing of the machine's.

mod amend;
// TMP mod api;
mod apply;
mod audit;
mod browser;
mod bundle;
mod cli;
mod demo;
// TMP mod engine;
// TMP mod git_facts;
mod git_gate;
mod git_install;
// TMP mod git_permits;
mod history;
mod init;
mod init_from;
mod known;
mod proxy;
mod rules;
// TMP mod store;
mod support;
mod tour;
mod world;
