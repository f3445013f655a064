//! Audits: conventions one by one, and real histories whose truths are known.

mod conventions;
mod docs;
mod field;
mod history;
mod truths;
