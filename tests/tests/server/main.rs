//! The admission server over HTTPS: hostile bytes, slow and many clients, certificates, load, and its end. Most tests run a
//! `serve` of their own beside the installed one and call it as the API server would.

mod certificate;
mod chart;
mod clients;
mod crowd;
mod descriptors;
mod drain;
mod forged;
mod load;
mod logs;
mod malformed;
mod many;
mod outage;
mod restart;
mod rollout;
mod rotation;
mod transport;

mod caller;
mod cluster;
mod pki;
mod replica;
mod reviews;
