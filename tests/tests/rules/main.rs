//! The rule table on a real API server, row by row: as the developer, in previews, with every right that RBAC can give.

mod adoption;
mod changes;
mod later;
mod neighbours;
mod observing;
mod refusals;
mod requests;
