//! Where a name leads from inside one preview, and what is out of bounds there.
//!
//! A host is matched by what it means: through the Services it names, by address, whatever the spelling. A bare name is
//! the preview's own Service, unless that Service leads elsewhere.

use super::Protected;
use crate::connection::{self, Connection};
use crate::host::{self, Candidate};
use crate::policy::Sharing;
use crate::services::Services;
use percent_encoding::percent_decode_str;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// How far one alias may lead to the next.
const HOPS: usize = 4;

/// Where a text stands: how certain it must be that a part of it is a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A variable or an argument: every dotted part may be a host.
    Value,
    /// A file: full of dotted names that are no hosts (`com.acme.shop`). A part counts where it stands as a host does, or
    /// is known to be one.
    File,
}

/// What one preview may not reach, with what is known of where names lead.
#[derive(Clone, Debug)]
pub struct Bounds<'f> {
    protected: &'f Protected,
    services: &'f Services,
    namespace: &'f str,
    /// What the preview's policy shares with it all the same.
    sharing: Option<&'f Sharing>,
    /// The preview's own Services that lead out of bounds.
    aliases: BTreeMap<String, String>,
}

impl<'f> Bounds<'f> {
    /// Without the preview's own aliases.
    pub(super) fn new(protected: &'f Protected, services: &'f Services, namespace: &'f str) -> Self {
        Bounds {
            protected,
            services,
            namespace,
            sharing: None,
            aliases: BTreeMap::new(),
        }
    }

    /// The bounds of the preview `namespace`.
    pub fn of(protected: &'f Protected, services: &'f Services, namespace: &'f str) -> Self {
        Bounds::sharing(protected, services, namespace, None)
    }

    /// The same, where the preview's policy shares some golden Services with it.
    pub fn sharing(
        protected: &'f Protected,
        services: &'f Services,
        namespace: &'f str,
        sharing: Option<&'f Sharing>,
    ) -> Self {
        let mut bounds = Bounds {
            sharing: sharing.filter(|sharing| !sharing.services.is_empty()),
            ..Bounds::new(protected, services, namespace)
        };
        let own = services.of(namespace);
        bounds.aliases = own
            .filter_map(|(name, _)| Some((name.clone(), bounds.service(namespace, name, 0)?)))
            .collect();
        bounds
    }

    /// Why `host` is out of bounds, as the end of the sentence "`host` is …".
    pub fn why(&self, host: &str) -> Option<String> {
        self.follow(host, 0)
    }

    fn follow(&self, host: &str, hops: usize) -> Option<String> {
        let canonical = host::canonical(host);
        let why = if self.is_shared(&canonical) {
            // A database is never shared, nor what a policy lists by its host.
            self.protected.listed(host, &canonical)
        } else {
            self.protected.why_spelt(host, &canonical)
        };
        if why.is_some() {
            return why;
        }
        let (name, namespace) = host::service(&canonical)?;
        self.service(namespace.unwrap_or(self.namespace), name, hops)
    }

    /// Whether a host in canonical spelling names a Service that the policy shares: the Service itself, no Pod behind it.
    fn is_shared(&self, canonical: &str) -> bool {
        let Some(sharing) = self.sharing else { return false };
        let name = canonical.strip_suffix(".svc").unwrap_or(canonical);
        name.split_once('.')
            .is_some_and(|(service, namespace)| sharing.has(namespace, service))
    }

    /// Why the Service `name` of `namespace` leads out of bounds.
    pub(super) fn service(&self, namespace: &str, name: &str, hops: usize) -> Option<String> {
        if hops >= HOPS {
            return Some("an alias of aliases whose end is not in sight".to_owned());
        }
        let external = self.services.get(namespace, name)?.external_name.as_deref()?;
        let why = self.follow(external, hops + 1)?;
        Some(format!("an alias of {external}, which is {why}"))
    }

    /// The first host in `text` that is out of bounds, and why: by the connection that the text is, else by what is
    /// written anywhere in it.
    pub fn reached(&self, raw: &str, place: Place) -> Option<(String, String)> {
        let tidied = host::tidy(raw);
        let text = &*tidied;
        let by_connection = |text: &str| {
            let mut hosts = Connection::parse(text)?.hosts().into_iter();
            hosts.find_map(|host| self.why(&host.name).map(|why| (host.name.clone(), why)))
        };
        // As it stands first: what some parsers drop ends a line for others, and two lines are not one host; and a quote at
        // the end may be a value's own.
        let folded = matches!(tidied, Cow::Owned(_));
        let stands = || {
            let trimmed = raw.trim();
            let connection = (trimmed.len() != text.len() || folded).then(|| by_connection(trimmed));
            let written = || folded.then(|| self.written(raw, place));
            connection.flatten().or_else(|| written().flatten())
        };
        let found = stands()
            .or_else(|| by_connection(text))
            .or_else(|| self.written(text, place))
            .or_else(|| {
                // What no parser of ours takes for a connection may still be one for a driver, percent-encoding included.
                let decoded = text
                    .contains('%')
                    .then(|| percent_decode_str(text).decode_utf8_lossy());
                decoded.and_then(|decoded| self.written(&decoded, place))
            });
        found.map(|(host, why)| match connection::unbranchable(text) {
            Some(kind) => (host, format!("{why}; no provider can branch {kind}")),
            None => (host, why),
        })
    }

    fn written(&self, text: &str, place: Place) -> Option<(String, String)> {
        let text = &*host::of_url(text);
        let length = text.trim().len();
        host::candidates(text)
            .find_map(|candidate| self.counts(&candidate, place, candidate.text.len() == length))
            .or_else(|| self.sixth(text))
    }

    fn counts(&self, candidate: &Candidate<'_>, place: Place, whole: bool) -> Option<(String, String)> {
        let placed = candidate.is_placed() || whole;
        let counts = |host: &str| {
            let why = self.counts_as(host, placed, place)?;
            Some((host.to_owned(), why))
        };
        if !candidate.text.starts_with('-') {
            return counts(candidate.text);
        }
        let plain = candidate.text.trim_start_matches('-');
        // `-hHOST`, as psql and others take it.
        let glued = || plain.get(1..).and_then(counts);
        counts(candidate.text).or_else(|| counts(plain)).or_else(glued)
    }

    fn counts_as(&self, host: &str, placed: bool, place: Place) -> Option<String> {
        if !host.trim_end_matches('.').contains('.') {
            let alias = || self.alias(host).cloned();
            let spelt = || self.protected.why_address(host::numeric(host)?.into(), host);
            return (place == Place::Value || placed)
                .then(alias)
                .flatten()
                .or_else(spelt);
        }
        let canonical = host::canonical(host);
        if placed || host::is_spelt_out(&canonical) || self.protected.knows_spelt(host, &canonical) {
            return self.why(host);
        }
        if place == Place::File {
            return None;
        }
        // In a value every dotted part may be a host, but a golden called `app` does not own every word that ends in it:
        // only an address is certainly meant, and a Service that leads elsewhere.
        let address = host::address(host).and_then(|_| self.protected.why(host));
        address.or_else(|| {
            let (name, namespace) = host::service(&canonical)?;
            self.service(namespace?, name, 0)
        })
    }

    fn alias(&self, host: &str) -> Option<&String> {
        // Most previews have none, and this is asked of every word.
        if self.aliases.is_empty() {
            return None;
        }
        self.aliases.get(&host.to_ascii_lowercase())
    }

    /// Addresses of IPv6, which no run of host characters holds.
    fn sixth(&self, text: &str) -> Option<(String, String)> {
        // Most texts hold one colon or two, and this is asked of every one.
        if !self.protected.has_addresses || text.bytes().filter(|byte| *byte == b':').count() < 2 {
            return None;
        }
        let runs = text.split(|c: char| !(c.is_ascii_hexdigit() || c == ':' || c == '.'));
        let mut long = runs.filter(|run| run.matches(':').count() > 1);
        long.find_map(|run| self.protected.why(run).map(|why| (run.to_owned(), why)))
    }
}
