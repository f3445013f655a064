//! Rules: Cedar policies, evaluated.
