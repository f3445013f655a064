//! The apply gate.
