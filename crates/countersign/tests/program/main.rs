//! The program, seen from outside: the real binary, real keys, a folder of its own and nothing of the machine's.

mod amend;
mod audit;
mod init;
mod rules;
mod support;
