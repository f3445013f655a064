//! The program, seen from outside: the real binary, real keys, a folder of its own and nothing of the machine's.

mod amend;
mod api;
mod apply;
mod audit;
mod browser;
mod bundle;
mod cli;
mod cosigning;
mod demo;
mod engine;
mod git_facts;
mod git_gate;
mod git_install;
mod git_landing;
mod git_permits;
mod history;
mod init;
mod init_from;
mod known;
mod lying;
mod proxy;
mod rules;
mod store;
mod support;
mod tour;
mod world;
