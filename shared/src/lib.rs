//! The core of Understudy.
