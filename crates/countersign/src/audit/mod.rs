//! Audit: reading the history of any repository, and writing down what it proves.
//!
//! [`reader`] streams landed changes out of git, `countersign_core::audit` judges them. Nothing is ever written into the
//! audited repository and nothing is fetched for it; whoever reads the report sees only what git has.

pub mod reader;
