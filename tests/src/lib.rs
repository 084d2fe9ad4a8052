//! pomost-tests
