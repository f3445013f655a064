//! The git gate.
